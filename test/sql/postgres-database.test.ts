import assert from 'node:assert/strict';
import { Code } from '../../src/common/code.js';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { StatusError } from '../../src/common/status-error.js';
import { PostgresDatabase, type PostgresDatabaseOptions } from '../../src/sql/postgres-database.js';
import { parsePostgresUrl } from '../../src/sql/postgres-location.js';
import { freePort } from '../helpers/bgd-site.js';
import { hasCode } from '../helpers/has-code.js';
import { PostgresServer } from '../helpers/postgres.js';
import { RecordingLogger } from '../helpers/recording-logger.js';

const impatient = { maxAttempts: 1, initialDelayMs: 1, maxDelayMs: 1 };

describe('PostgresDatabase', function () {
  this.timeout(60_000);
  const lifecycle = new Lifecycle();
  let location: PostgresDatabaseOptions;
  let database: PostgresDatabase;

  before(async () => {
    const server = await PostgresServer.shared();
    location = parsePostgresUrl(await server.createDatabase());
  });

  beforeEach(async () => {
    database = lifecycle.use(await PostgresDatabase.open(location));
    await database.statement((sql) =>
      sql.schema.createTable('things', (table) => void table.bigInteger('n').primary()),
    );
  });

  afterEach(async () => {
    await database.statement((sql) => sql.schema.dropTable('things'));
    await lifecycle[Symbol.asyncDispose]();
  });

  const numbers = (): Promise<number[]> => database.statement((sql) => sql('things').orderBy('n').pluck<number[]>('n'));

  it('leaves the durability to the server, and limits how long a statement may take (D8)', async () => {
    const settings = await database.statement((sql) =>
      sql.raw<Record<string, string>[]>(
        `SELECT source, current_setting('statement_timeout') AS timeout FROM pg_settings WHERE name = 'synchronous_commit'`,
      ),
    );

    assert.deepEqual(settings, [{ source: 'default', timeout: '30s' }]);
  });

  it('undoes a change that fails, and only that one', async () => {
    const outcomes = await Promise.allSettled(
      [1, 2, 3].map((n) =>
        database.transaction(async (sql) => {
          await sql('things').insert({ n });
          if (n === 2) throw new StatusError(Code.Aborted, 'no twos');
        }),
      ),
    );

    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    assert.deepEqual(await numbers(), [1, 3]);
  });

  it('gives numbers for bigints, and rows for raw statements', async () => {
    await database.statement((sql) => sql('things').insert({ n: Number.MAX_SAFE_INTEGER }));

    assert.deepEqual(await database.statement((sql) => sql.raw('SELECT n FROM things')), [
      { n: Number.MAX_SAFE_INTEGER },
    ]);
  });

  it('runs a transaction again that the database ended in favour of another', async () => {
    await database.statement((sql) => sql('things').insert([{ n: 1 }, { n: 2 }]));
    const bothHaveOne = barrier(2);
    let attempts = 0;
    const swap = (first: number, second: number): Promise<void> =>
      database.transaction(async (sql) => {
        attempts += 1;
        await sql('things').where({ n: first }).update({ n: first });
        await bothHaveOne();
        await sql('things').where({ n: second }).update({ n: second });
      });

    await Promise.all([swap(1, 2), swap(2, 1)]);

    assert.ok(attempts > 2, "The two never got into each other's way");
  });

  it('gives up a statement that takes too long, with UNAVAILABLE', async () => {
    await using hasty = await PostgresDatabase.open({ ...location, statementTimeoutMs: 50 });

    await assert.rejects(
      hasty.statement((sql) => sql.raw('SELECT pg_sleep(30)')),
      { code: Code.Unavailable, message: /took too long to answer/ },
    );
  });

  it('gives up a connection on which nothing comes any more (U1)', async () => {
    await using deaf = await PostgresDatabase.open({ ...location, silenceMs: 50 });

    await assert.rejects(
      deaf.statement((sql) => sql.raw('SELECT pg_sleep(30)')),
      { code: Code.Unavailable, message: /No answer within 50 ms/ },
    );

    assert.ok(await deaf.statement((sql) => sql.raw('SELECT 1')));
  });

  it('gives up waiting for a connection, with UNAVAILABLE', async () => {
    await using small = await PostgresDatabase.open({ ...location, maxConnections: 1, acquireTimeoutMs: 50 });
    const { promise: held, resolve: release } = deferred();
    const holding = small.transaction(() => held);

    await assert.rejects(
      small.statement((sql) => sql.raw('SELECT 1')),
      hasCode(Code.Unavailable),
    );

    release();
    await holding;
  });

  it('keeps the fault of a statement apart from trouble, without what it was given', async () => {
    const secret = 'not-to-be-seen';

    const failing = database.statement((sql) => sql.raw('SELECT ?::text FROM nowhere', [secret]));

    await assert.rejects(failing, (reason: Error) => {
      assert.ok(!(reason instanceof StatusError));
      assert.ok(!reason.message.includes(secret));
      return true;
    });
  });

  it('goes on after a connection was lost in the middle of a transaction', async () => {
    await assert.rejects(
      database.transaction(async (sql) => {
        await sql('things').insert({ n: 1 });
        await sql.raw('SELECT pg_terminate_backend(pg_backend_pid())');
      }),
      hasCode(Code.Unavailable),
    );

    assert.deepEqual(await numbers(), []);
  });

  describe('opening', () => {
    it('is refused for a database that is not there', async () => {
      await assert.rejects(PostgresDatabase.open({ ...location, database: 'nowhere' }), {
        code: Code.FailedPrecondition,
        message: /^PostgreSQL at 127\.0\.0\.1:\d+\/nowhere does not let bgd in \(database "nowhere" does not exist\)/,
      });
    });

    it('is refused for TLS that the server does not have', async () => {
      await assert.rejects(PostgresDatabase.open({ ...location, sslMode: 'require' }), {
        code: Code.FailedPrecondition,
        message: /does not support SSL/,
      });
    });

    it('is refused for a certificate that cannot be read', async () => {
      await assert.rejects(PostgresDatabase.open({ ...location, sslRootCert: '/nowhere/ca.pem' }), {
        code: Code.FailedPrecondition,
        message: /Cannot read \/nowhere\/ca\.pem.*ENOENT/,
      });
    });

    it('is UNAVAILABLE where nobody listens', async () => {
      const port = await freePort();

      await assert.rejects(PostgresDatabase.open({ ...location, port, openPolicy: impatient }), {
        code: Code.Unavailable,
        message: /cannot be reached \(connect ECONNREFUSED/,
      });
    });
  });
});

describe('PostgresDatabase whose server goes away', function () {
  this.timeout(60_000);
  const lifecycle = new Lifecycle();
  let server: PostgresServer;

  before(async () => {
    server = lifecycle.use(await PostgresServer.start());
  });

  after(() => lifecycle[Symbol.asyncDispose]());

  it('is UNAVAILABLE meanwhile, says so once, and heals by itself (U5)', async () => {
    const logger = new RecordingLogger();
    await using database = await PostgresDatabase.open({ ...server.locationOf('postgres'), logger });
    const ask = (): Promise<unknown> => database.statement((sql) => sql.raw('SELECT 1 AS n'));
    await Promise.all([ask(), ask(), ask()]);

    await server.kill();
    for (let attempt = 0; attempt < 3; attempt += 1) await assert.rejects(ask(), hasCode(Code.Unavailable));
    await server.start();
    const answers = await Promise.all([ask(), ask(), ask()]);

    assert.deepEqual(answers, [[{ n: 1 }], [{ n: 1 }], [{ n: 1 }]]);
    assert.deepEqual(
      logger.lines.map(({ message }) => message),
      ['A service that stores depend on fails', 'A service that stores depend on answers again'],
    );
  });

  it('is waited for when it is about to start', async () => {
    await server.kill();
    const opening = PostgresDatabase.open(server.locationOf('postgres'));

    await server.start();

    await using database = await opening;
    assert.ok(await database.statement((sql) => sql.raw('SELECT 1')));
  });
});

/** Lets nobody pass before `count` have come. */
function barrier(count: number): () => Promise<void> {
  const { promise, resolve } = deferred();
  let come = 0;
  return () => {
    come += 1;
    if (come >= count) resolve();
    return promise;
  };
}

function deferred(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
