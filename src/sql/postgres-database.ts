import knex from 'knex';
import { type Clock, systemClock } from '../common/clock.js';
import { Code } from '../common/code.js';
import { type Logger, silentLogger } from '../common/logger.js';
import { OutageLog } from '../common/outage-log.js';
import { type RetryPolicy, retry } from '../common/retry.js';
import { StatusError } from '../common/status-error.js';
import type { Database, Sql } from './database.js';
import { type PostgresPool, postgresConfig } from './postgres-config.js';
import { postgresDialect } from './postgres-dialect.js';
import { explanation, isRefusal, postgresError, wasSacrificed } from './postgres-error.js';
import { postgresName } from './postgres-location.js';

/** What {@link PostgresDatabase.open} is told. */
export interface PostgresDatabaseOptions extends PostgresPool {
  /** How patiently a server that cannot be reached is waited for at first. @defaultValue about 15 s */
  readonly openPolicy?: RetryPolicy | undefined;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** As many attempts as a transaction has that the database ends for the sake of others. */
const maxAttempts = 5;

const openPolicy: RetryPolicy = { maxAttempts: 8, initialDelayMs: 250, maxDelayMs: 4_000 };

/**
 * A PostgreSQL database with a pool of connections, each for one change at a time. It is as durable as its server says (D8).
 *
 * When the server goes away, calls fail with UNAVAILABLE until it is back: connections are made anew when they are needed.
 */
export class PostgresDatabase implements Database {
  readonly dialect = postgresDialect;
  /** Names the database to a person. */
  readonly service: string;
  readonly #sql: Sql;
  readonly #clock: Clock;
  readonly #outages: OutageLog;
  #isClosed = false;

  private constructor(sql: Sql, options: PostgresDatabaseOptions) {
    this.service = postgresName(options);
    this.#sql = sql;
    this.#clock = options.clock ?? systemClock;
    this.#outages = new OutageLog(this.service, options.logger ?? silentLogger);
  }

  /**
   * Connects. Throws FAILED_PRECONDITION if the server lets nobody in as it is told, or has no such database, and
   * UNAVAILABLE if it cannot be reached for a while.
   */
  static async open(options: PostgresDatabaseOptions): Promise<PostgresDatabase> {
    const sql = knex(await postgresConfig(options));
    const database = new PostgresDatabase(sql, options);
    try {
      await retry(async () => void (await sql.raw('SELECT 1')), {
        policy: options.openPolicy ?? openPolicy,
        clock: database.#clock,
        shouldRetry: (reason) => !isRefusal(reason) && postgresError(reason, '') instanceof StatusError,
      });
      return database;
    } catch (reason) {
      await sql.destroy();
      throw openingError(reason, database.service);
    }
  }

  /** See `Database.transaction`. */
  transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.#attempt(() => this.#sql.transaction(work));
  }

  /** See `Database.read`. */
  read<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.statement(work);
  }

  /** See `Database.statement`. */
  statement<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return this.#attempt(() => work(this.#sql));
  }

  /** Closes when what was begun is done. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    await this.#sql.destroy();
  }

  async #attempt<T>(task: () => Promise<T>): Promise<T> {
    if (this.#isClosed) throw new StatusError(Code.Unavailable, 'The database is closed');
    const policy = { maxAttempts, initialDelayMs: 20, maxDelayMs: 500 };
    try {
      const result = await retry(task, { policy, clock: this.#clock, shouldRetry: wasSacrificed });
      this.#outages.answered();
      return result;
    } catch (reason) {
      const error = postgresError(reason, this.service);
      if (error !== reason && error instanceof StatusError) this.#outages.failed(error.message);
      throw error;
    }
  }
}

function openingError(reason: unknown, service: string): unknown {
  if (!isRefusal(reason)) return postgresError(reason, service);
  const text = `${service} does not let bgd in (${explanation(reason)}): check the connection string`;
  return new StatusError(Code.FailedPrecondition, text, { cause: reason });
}
