import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Code } from '../../../src/common/code.js';
import { silentLogger } from '../../../src/common/logger.js';
import { StatusError } from '../../../src/common/status-error.js';
import { Stage } from '../../../src/scheduler/stage.js';
import { SqlJobStore } from '../../../src/scheduler/stores/sql-job-store.js';
import { openDatabase } from '../../../src/sql/open-database.js';
import { done, keepaliveMs, newJob, newOperation, newSession, newUpdate } from '../../helpers/jobs.js';
import { PostgresServer } from '../../helpers/postgres.js';
import { temporaryDirectory } from '../../helpers/temporary-directory.js';

const source = (path: string): string => JSON.stringify(new URL(`../../../src/${path}`, import.meta.url).href);

/** Migrates, but for the last step of the schema, in the middle of which it stands still. */
const migrating = `
  const { openDatabase } = await import(${source('sql/open-database.js')});
  const { migrate } = await import(${source('sql/migrate.js')});
  const { jobSchema } = await import(${source('scheduler/stores/job-schema.js')});
  const { silentLogger } = await import(${source('common/logger.js')});
  const database = await openDatabase(process.argv[1], { logger: silentLogger });
  const standStill = {
    name: 'standing still',
    up: async (sql) => {
      await sql.schema.createTable('half', (table) => table.integer('n'));
      process.stdout.write('half');
      setInterval(() => undefined, 1000);
      await new Promise(() => undefined);
    },
  };
  await migrate(database, { ...jobSchema, migrations: [...jobSchema.migrations, standStill] });
`;

/** Has a process migrate a database, and kills it in the middle. */
async function interruptMigration(url: string): Promise<void> {
  const args = ['--import', 'tsx', '--input-type=module', '-e', migrating, url];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  child.kill('SIGKILL');
  await once(child, 'exit');
}

describe('SqlJobStore whose migration is interrupted', function () {
  this.timeout(60_000);

  for (const [kind, place] of [
    ['SQLite', async (folder: string) => `sqlite:///${join(folder, 'jobs.db')}`],
    ['PostgreSQL', async () => (await PostgresServer.shared()).createDatabase()],
  ] as const) {
    it(`has nothing of it afterwards, and opens on ${kind}`, async () => {
      await using folder = await temporaryDirectory();
      const url = await place(folder.path);
      await interruptMigration(url);

      await using database = await openDatabase(url, { logger: silentLogger });
      const store = await SqlJobStore.open({ database });

      assert.ok(await store.operations.add(newJob('a'), newOperation(), 10));
      assert.equal(await database.read((sql) => sql.schema.hasTable('half')), false);
    });
  }
});

describe('SqlJobStore whose PostgreSQL is killed under load (D6, U5)', function () {
  this.timeout(120_000);

  it('fails with UNAVAILABLE meanwhile, heals, and has lost nothing that it told', async () => {
    await using server = await PostgresServer.start();
    const url = await server.createDatabase();
    await using database = await openDatabase(url, { logger: silentLogger, acquireTimeoutMs: 5_000 });
    const store = await SqlJobStore.open({ database });
    const added: string[] = [];
    const codes = new Set<Code>();
    let isLoaded = true;
    const clients = Array.from({ length: 8 }, async (_, client) => {
      for (let count = 0; isLoaded; count += 1) {
        try {
          added.push((await store.operations.add(newJob(`${client} ${count}`), newOperation(), 1_000_000)).id);
        } catch (reason) {
          codes.add(StatusError.from(reason).code);
        }
      }
    });
    const untilAdded = async (count: number): Promise<void> => {
      while (added.length < count) await new Promise((resolve) => setImmediate(resolve));
    };

    for (let round = 1; round <= 2; round += 1) {
      await untilAdded(added.length + 200);
      await server.crash();
      await server.start();
    }
    await untilAdded(added.length + 200);
    isLoaded = false;
    await Promise.all(clients);

    assert.deepEqual([...codes], [Code.Unavailable]);
    const found = await Promise.all(added.map((id) => store.operations.find(id)));
    assert.ok(found.every((operation) => operation?.stage === Stage.Queued));
    const session = await store.sessions.open(newSession('bot'));
    const claimed = await store.sessions.claim(session.name, session.revision, keepaliveMs);
    const reports = claimed!.leases.map(({ id }) => done(id));
    assert.deepEqual((await store.sessions.update(newUpdate(session.name, 'bot', { reports }))).leases, []);
  });

  it('fails with UNAVAILABLE while all connections are taken, and goes on after that', async () => {
    const url = await (await PostgresServer.shared()).createDatabase();
    await using database = await openDatabase(url, { logger: silentLogger, maxConnections: 1, acquireTimeoutMs: 100 });
    const store = await SqlJobStore.open({ database });
    let release = (): void => undefined;
    const held = database.transaction(() => new Promise<void>((resolve) => (release = resolve)));

    const adds = await Promise.allSettled(
      [0, 1, 2].map((index) => store.operations.add(newJob(`${index}`), newOperation(), 10)),
    );
    release();
    await held;

    for (const add of adds) {
      assert.equal(add.status === 'rejected' && StatusError.from(add.reason).code, Code.Unavailable);
    }
    assert.ok(await store.operations.add(newJob('after'), newOperation(), 10));
  });
});
