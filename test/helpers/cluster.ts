import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { PostgresDatabase } from '../../src/sql/postgres-database.js';
import { parsePostgresUrl } from '../../src/sql/postgres-location.js';
import { rowsOf } from '../../src/sql/query-rows.js';
import type { BgdProcess } from './bgd-process.js';
import { BgdSite, freePort } from './bgd-site.js';
import { PostgresServer } from './postgres.js';
import { repositoryRoot } from './repository.js';

const example = (name: string): string => join(repositoryRoot, 'docs/examples', name);

/** A server that executes, one of several. */
export interface Controller {
  readonly url: string;
  readonly process: BgdProcess;
}

/** What {@link Cluster.create} is told. */
export interface ClusterOptions {
  /** @defaultValue the one that all suites share */
  readonly postgres?: PostgresServer;
  /** Takes the place of docs/examples/controllers.yml. */
  readonly change?: (config: string) => string;
}

/**
 * Real controllers over one PostgreSQL database and one storage server, as docs/examples/controllers.yml has them. Disposal
 * ends them.
 */
export class Cluster implements AsyncDisposable {
  readonly site: BgdSite;
  readonly postgres: PostgresServer;
  readonly databaseUrl: string;
  readonly #lifecycle: Lifecycle;
  readonly #config: string;
  readonly #environment: Readonly<Record<string, string>>;

  private constructor(
    parts: Pick<Cluster, 'site' | 'postgres' | 'databaseUrl'>,
    { lifecycle, config, storageUrl }: { lifecycle: Lifecycle; config: string; storageUrl: string },
  ) {
    ({ site: this.site, postgres: this.postgres, databaseUrl: this.databaseUrl } = parts);
    this.#lifecycle = lifecycle;
    this.#config = config;
    this.#environment = { BGD_STORAGE_URL: storageUrl, BGD_DATABASE: this.databaseUrl };
  }

  static async create({ postgres, change = (config) => config }: ClusterOptions = {}): Promise<Cluster> {
    const lifecycle = new Lifecycle();
    const server = postgres ?? (await PostgresServer.shared());
    const databaseUrl = await server.createDatabase();
    const site = lifecycle.use(await BgdSite.create());
    const text = await readFile(example('controllers.yml'), 'utf8');
    const config = await site.write('controllers.yml', change(text));
    const { url: storageUrl } = await site.serve([example('storage.yml'), '--data-dir', site.path('storage')]);
    return new Cluster({ site, postgres: server, databaseUrl }, { lifecycle, config, storageUrl });
  }

  /** Starts a controller, and waits until it serves; at the address of one that has ended, if its URL is given. */
  async start(url?: string): Promise<Controller> {
    const port = url === undefined ? await freePort() : new URL(url).port;
    const listen = ['--listen', `127.0.0.1:${port}`];
    return this.site.serve([this.#config, ...listen, '--data-dir', this.site.path('unused')], this.#environment);
  }

  /** What the tables say now. */
  async query<Row extends object>(statement: string): Promise<readonly Row[]> {
    await using database = await PostgresDatabase.open(parsePostgresUrl(this.databaseUrl));
    return await database.statement((sql) => rowsOf<Row>(sql, statement, []));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lifecycle[Symbol.asyncDispose]();
  }
}
