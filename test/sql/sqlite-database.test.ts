import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { SqliteDatabase } from '../../src/sql/sqlite-database.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

const nobody = 65_534;

describe('SqliteDatabase', () => {
  let folder: Awaited<ReturnType<typeof temporaryDirectory>>;
  let path: string;

  beforeEach(async () => {
    folder = await temporaryDirectory();
    path = join(folder.path, 'jobs.db');
  });

  afterEach(() => folder[Symbol.asyncDispose]());

  async function rejection(open: Promise<SqliteDatabase>): Promise<StatusError> {
    const reason: unknown = await open.then(
      () => assert.fail('The database was opened'),
      (why: unknown) => why,
    );
    assert.ok(reason instanceof StatusError);
    assert.equal(reason.code, Code.FailedPrecondition);
    return reason;
  }

  async function pragma(database: SqliteDatabase, name: string): Promise<unknown> {
    const [row] = await database.transaction((sql) => sql.raw<Record<string, unknown>[]>(`PRAGMA ${name}`));
    return row?.[name];
  }

  async function withTable(): Promise<SqliteDatabase> {
    const database = await SqliteDatabase.open({ path });
    await database.transaction((sql) => sql.schema.createTable('things', (table) => void table.integer('n')));
    return database;
  }

  const numbers = (database: SqliteDatabase): Promise<number[]> =>
    database.transaction((sql) => sql('things').orderBy('n').pluck<number[]>('n'));

  it('writes ahead, waits for the disk and keeps foreign keys (D8)', async () => {
    await using database = await SqliteDatabase.open({ path });

    assert.equal(await pragma(database, 'journal_mode'), 'wal');
    assert.equal(await pragma(database, 'synchronous'), 2);
    assert.equal(await pragma(database, 'foreign_keys'), 1);
  });

  it('keeps what was committed when it is opened again', async () => {
    {
      await using database = await withTable();
      await database.transaction((sql) => sql('things').insert({ n: 1 }));
    }
    await using again = await SqliteDatabase.open({ path });

    assert.deepEqual(await numbers(again), [1]);
  });

  it('undoes a change that fails, and only that one of those that share a commit', async () => {
    await using database = await withTable();

    const outcomes = await Promise.allSettled(
      [1, 2, 3].map((n) =>
        database.transaction(async (sql) => {
          await sql('things').insert({ n });
          if (n === 2) throw new Error('no twos');
        }),
      ),
    );

    assert.deepEqual(
      outcomes.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    );
    assert.deepEqual(await numbers(database), [1, 3]);
  });

  it('undoes a change that fails alone', async () => {
    await using database = await withTable();

    await assert.rejects(
      database.transaction(async (sql) => {
        await sql('things').insert({ n: 1 });
        throw new Error('changed my mind');
      }),
      /changed my mind/,
    );

    assert.deepEqual(await numbers(database), []);
  });

  it('commits what arrives together at once', async () => {
    await using database = await withTable();
    const seen: string[] = [];
    const change = (n: number): Promise<void> =>
      database.transaction(async (sql) => {
        seen.push(`begin ${n}`);
        await sql('things').insert({ n });
      });

    await Promise.all([1, 2, 3].map((n) => change(n).then(() => seen.push(`durable ${n}`))));

    assert.deepEqual(seen, ['begin 1', 'begin 2', 'begin 3', 'durable 1', 'durable 2', 'durable 3']);
  });

  it('goes on after the database has ended a transaction by itself', async () => {
    await using database = await withTable();
    await database.transaction((sql) => sql.raw('PRAGMA max_page_count = 4'));
    const large = 'x'.repeat(100_000);

    const outcomes = await Promise.allSettled([
      database.transaction((sql) => sql.raw('CREATE TABLE filler AS SELECT ? AS text', [large])),
      database.transaction((sql) => sql('things').insert({ n: 1 })),
    ]);
    await database.transaction((sql) => sql('things').insert({ n: 2 }));

    const [full, other] = outcomes;
    assert.ok(full.status === 'rejected' && full.reason instanceof StatusError);
    assert.equal(full.reason.code, Code.ResourceExhausted);
    const isKept = other.status === 'fulfilled';
    assert.deepEqual(await numbers(database), isKept ? [1, 2] : [2]);
  });

  it('reads only what is committed, before the changes that came first', async () => {
    await using database = await withTable();
    const count = (): Promise<unknown> => database.read((sql) => sql('things').count({ n: '*' }));
    let isCommitted = false;
    const change = database.transaction(async (sql) => void (await sql('things').insert({ n: 1 })));
    void change.then(() => (isCommitted = true));

    const before = await count();
    const wasCommitted = isCommitted;
    await change;

    assert.deepEqual([before, wasCommitted], [[{ n: 0 }], false]);
    assert.deepEqual(await count(), [{ n: 1 }]);
  });

  it('refuses changes once it is closed', async () => {
    const database = await withTable();
    await database[Symbol.asyncDispose]();

    await assert.rejects(numbers(database), { code: Code.Unavailable });
  });

  it('names a folder that is missing', async () => {
    const { message } = await rejection(SqliteDatabase.open({ path: join(folder.path, 'absent', 'jobs.db') }));

    assert.match(message, /absent does not exist; make it first$/);
  });

  it('says that a folder is no file', async () => {
    const { message } = await rejection(SqliteDatabase.open({ path: folder.path }));

    assert.match(message, /it is a folder; name a file$/);
  });

  it('says that a file is no database', async () => {
    await writeFile(path, 'This is not a database.\n'.repeat(100));

    const { message } = await rejection(SqliteDatabase.open({ path }));

    assert.match(message, /it is not a SQLite database; name another file$/);
  });

  it('says that a file cannot be written', async () => {
    await (await withTable())[Symbol.asyncDispose]();
    await chmod(path, 0o444);
    await chmod(folder.path, 0o555);
    // What root may do says nothing.
    const { geteuid, seteuid } = process;
    const isRoot = geteuid?.() === 0;
    if (isRoot) seteuid?.(nobody);
    try {
      const { message } = await rejection(SqliteDatabase.open({ path }));

      assert.match(message, /it cannot be written; check the permissions of the file and its folder$/);
    } finally {
      if (isRoot) seteuid?.(0);
      await chmod(folder.path, 0o755);
    }
  });

  it('says that another process has the file', async () => {
    await (await withTable())[Symbol.asyncDispose]();
    const script = `
      import { SqliteDatabase } from ${JSON.stringify(new URL('../../src/sql/sqlite-database.js', import.meta.url).href)};
      await SqliteDatabase.open({ path: ${JSON.stringify(path)} });
      process.stdout.write('open');
      process.stdin.resume();`;
    const args = [...process.execArgv, '--input-type=module', '--eval', script];
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    try {
      await once(child.stdout, 'data');

      const { message } = await rejection(SqliteDatabase.open({ path, busyTimeoutMs: 50 }));

      assert.match(message, /it is in use by another process/);
    } finally {
      child.kill('SIGKILL');
      await once(child, 'close');
    }
    await using after = await SqliteDatabase.open({ path });
    assert.deepEqual(await numbers(after), []);
  });
});
