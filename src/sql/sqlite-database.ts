import { open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import knex from 'knex';
import { Code } from '../common/code.js';
import { StatusError, errnoOf } from '../common/status-error.js';
import type { SqliteLocation } from './connection-string.js';
import type { Database, Sql } from './database.js';
import { GroupCommit } from './group-commit.js';
import { sqliteDialect } from './sqlite-dialect.js';
import { sqliteError } from './sqlite-error.js';

/** The one thing that the driver's connection is used for outside of knex. */
interface Connection {
  exec(sql: string, done: (reason: Error | null) => void): void;
}

/**
 * Durable to the last commit, also through a power cut (D8). Exclusive: what one process learns of another's changes
 * would be too late, so a second one is refused. With 64 MiB of pages in memory at the most, tables of a million rows
 * are changed in half the time.
 */
const pragmas = `
  PRAGMA locking_mode = EXCLUSIVE;
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA foreign_keys = ON;
  PRAGMA cache_size = -65536;
`;

/** What {@link SqliteDatabase.open} is told. */
export interface SqliteDatabaseOptions extends SqliteLocation {
  /** How long to wait for another process to let go of the file, as one that is stopping does. @defaultValue 5 s */
  readonly busyTimeoutMs?: number;
}

/**
 * A SQLite database with one connection, whose changes are committed in groups.
 *
 * Statements go through knex, which runs each by `Database.run` or `all`. The driver's prepared statements are never
 * used: they overtake what is queued before them, and escape a transaction.
 */
export class SqliteDatabase implements Database {
  readonly dialect = sqliteDialect;
  readonly #sql: Sql;
  readonly #changes: GroupCommit;
  #isClosed = false;

  private constructor(sql: Sql) {
    this.#sql = sql;
    const run = (text: string) => (): Promise<void> => this.dialect.runAll(sql, [{ text, bindings: [] }]);
    this.#changes = new GroupCommit({
      begin: run('BEGIN IMMEDIATE'),
      commit: run('COMMIT'),
      rollback: () => run('ROLLBACK')().catch(() => undefined),
      savepoint: run('SAVEPOINT change'),
      release: run('RELEASE change'),
      undo: run('ROLLBACK TO change'),
    });
  }

  /**
   * Opens the file, and makes it where it is missing. Throws FAILED_PRECONDITION if it cannot be written, is in use by
   * another process or is no database.
   */
  static async open({ path, busyTimeoutMs = 5_000 }: SqliteDatabaseOptions): Promise<SqliteDatabase> {
    const sql = knex({
      client: 'sqlite3',
      connection: { filename: path },
      useNullAsDefault: true,
      // Lists of thousands of digests have no place in the text of an error.
      compileSqlOnError: false,
      pool: { min: 1, max: 1, afterCreate: preparation(busyTimeoutMs) },
      log: { warn: () => undefined, deprecate: () => undefined },
    });
    try {
      // Asks for the lock and for the right to write at once, not at the first job.
      await sql.raw('BEGIN IMMEDIATE');
      await sql.raw('COMMIT');
      return new SqliteDatabase(sql);
    } catch (reason) {
      await sql.destroy();
      throw await openingError(path, reason);
    }
  }

  /** See `Database.transaction`. */
  transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.#attempt(() => this.#changes.run(() => work(this.#sql)));
  }

  /** See `Database.read`. */
  read<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.#attempt(() => this.#changes.read(() => work(this.#sql)));
  }

  /** A transaction of its own would wait for the disk once more. */
  statement<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.transaction(work);
  }

  /** Closes when what was begun is done. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#changes.idle();
    await this.#sql.destroy();
  }

  async #attempt<T>(task: () => Promise<T>): Promise<T> {
    if (this.#isClosed) throw new StatusError(Code.Unavailable, 'The database is closed');
    try {
      return await task();
    } catch (reason) {
      throw sqliteError(reason);
    }
  }
}

type Prepare = (connection: Connection, done: (reason: Error | null, connection: Connection) => void) => void;

function preparation(busyTimeoutMs: number): Prepare {
  return (connection, done) => {
    connection.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}; ${pragmas}`, (reason) => done(reason, connection));
  };
}

async function openingError(path: string, reason: unknown): Promise<StatusError> {
  return new StatusError(Code.FailedPrecondition, `Cannot open the database ${path}: ${await fault(path, reason)}`, {
    cause: reason,
  });
}

const notWritable = 'it cannot be written; check the permissions of the file and its folder';

const faults = new Map([
  ['SQLITE_READONLY', notWritable],
  ['SQLITE_NOTADB', 'it is not a SQLite database; name another file'],
  ['SQLITE_CORRUPT', 'it is damaged; restore it, or name another file'],
  ['SQLITE_BUSY', 'it is in use by another process; stop that one, or name another file'],
]);

async function fault(path: string, reason: unknown): Promise<string> {
  const code = errnoOf(reason) ?? '';
  if (code === 'SQLITE_CANTOPEN') return whyNotOpen(path);
  // A file that may only be read comes out as this, for it cannot be locked.
  if (code === 'SQLITE_IOERR' && !(await isWritable(path))) return notWritable;
  return faults.get(code) ?? (reason instanceof Error ? reason.message : String(reason));
}

async function whyNotOpen(path: string): Promise<string> {
  const found = await kindOf(path);
  if (found === 'folder') return 'it is a folder; name a file';
  if (found === 'file') return notWritable;
  const folder = dirname(path);
  if ((await kindOf(folder)) === 'folder') return `it cannot be made in ${folder}; check the permissions`;
  return `the folder ${folder} does not exist; make it first`;
}

async function isWritable(path: string): Promise<boolean> {
  try {
    await (await open(path, 'r+')).close();
    return true;
  } catch {
    return false;
  }
}

async function kindOf(path: string): Promise<'folder' | 'file' | undefined> {
  const stats = await stat(path).catch(() => undefined);
  if (!stats) return undefined;
  return stats.isDirectory() ? 'folder' : 'file';
}
