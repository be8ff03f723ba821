import { type Clock, systemClock } from '../../common/clock.js';
import { type Logger, silentLogger } from '../../common/logger.js';
import { StatusError } from '../../common/status-error.js';
import type { Database } from '../../sql/database.js';
import { type MigrateOptions, migrate } from '../../sql/migrate.js';
import { queryRows } from '../../sql/query-rows.js';
import { checkKey } from '../check-key.js';
import type { KeyedStore, PutOptions } from '../keyed-store.js';
import { keyedValuesSchema } from './keyed-values-schema.js';

/** What {@link SqlKeyedStore.open} is told. */
export interface SqlKeyedStoreOptions extends MigrateOptions {
  /** Stays open when the store is no longer used: whoever opened it closes it. */
  readonly database: Database;
  /** A value that nobody asks for goes after so many seconds. @defaultValue values stay */
  readonly ttlSeconds?: number | undefined;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

interface Row {
  readonly value: Buffer;
  readonly expires_at_ms: number | null;
  readonly lives_until_ms: number | null;
}

/** Rows whose time is over are removed at most so often, and so many at a time. */
const sweepIntervalMs = 60_000;
const sweptRows = 1_000;

/** A use puts off the end of a value only when this share of its life is over: not every read has to write. */
const worthPuttingOff = 0.1;

/** Keeps each value as a row, under the bytes of its key. What was put is as durable as the database (D8). */
export class SqlKeyedStore implements KeyedStore, AsyncDisposable {
  readonly #database: Database;
  readonly #ttlMs: number;
  readonly #logger: Logger;
  readonly #clock: Clock;
  #sweptAt = -Infinity;
  #upkeep: Promise<void> = Promise.resolve();

  private constructor(options: SqlKeyedStoreOptions) {
    const { database, ttlSeconds = Infinity, logger = silentLogger, clock = systemClock } = options;
    this.#database = database;
    this.#ttlMs = ttlSeconds * 1_000;
    this.#logger = logger;
    this.#clock = clock;
  }

  /** Makes the table where it is missing. Throws as `migrate` does. */
  static async open(options: SqlKeyedStoreOptions): Promise<SqlKeyedStore> {
    await migrate(options.database, keyedValuesSchema, options);
    return new SqlKeyedStore(options);
  }

  async get(key: string, signal?: AbortSignal): Promise<Buffer | undefined> {
    signal?.throwIfAborted();
    checkKey(key);
    const columns = 'value, expires_at_ms, lives_until_ms';
    const statement = `SELECT ${columns} FROM keyed_values WHERE name = ?`;
    const [row] = await queryRows<Row>(this.#database, statement, [Buffer.from(key)]);
    const now = this.#clock.now();
    if (!row || (row.lives_until_ms ?? Infinity) <= now) return undefined;
    if (this.#isWorthPuttingOff(row, now)) this.#do(() => this.#putOff(key, this.#endOf(row.expires_at_ms, now)));
    return row.value;
  }

  async put(key: string, value: Uint8Array, options: PutOptions = {}, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    checkKey(key);
    const expiresAtMs = options.expiresAtMs === undefined ? null : Math.ceil(options.expiresAtMs);
    const livesUntilMs = this.#endOf(expiresAtMs, this.#clock.now());
    const statement = `
      INSERT INTO keyed_values (name, value, expires_at_ms, lives_until_ms) VALUES (?, ?, ?, ?)
      ON CONFLICT (name) DO UPDATE SET value = excluded.value, expires_at_ms = excluded.expires_at_ms,
        lives_until_ms = excluded.lives_until_ms`;
    const row = [Buffer.from(key), Buffer.from(value), expiresAtMs, livesUntilMs];
    await queryRows(this.#database, statement, row);
    if (livesUntilMs !== null) this.#sweepSometimes();
  }

  async delete(key: string, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    checkKey(key);
    await queryRows(this.#database, 'DELETE FROM keyed_values WHERE name = ?', [Buffer.from(key)]);
  }

  /** Waits for what was begun besides. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#upkeep;
  }

  /** When a value ends that is used now. */
  #endOf(expiresAtMs: number | null, now: number): number | null {
    const end = Math.min(expiresAtMs ?? Infinity, now + this.#ttlMs);
    return Number.isFinite(end) ? end : null;
  }

  #isWorthPuttingOff({ expires_at_ms: expiresAtMs, lives_until_ms: livesUntilMs }: Row, now: number): boolean {
    if (!Number.isFinite(this.#ttlMs)) return false;
    const end = this.#endOf(expiresAtMs, now) ?? Infinity;
    return end - (livesUntilMs ?? Infinity) >= this.#ttlMs * worthPuttingOff;
  }

  async #putOff(key: string, livesUntilMs: number | null): Promise<void> {
    const statement = 'UPDATE keyed_values SET lives_until_ms = ? WHERE name = ? AND lives_until_ms < ?';
    await queryRows(this.#database, statement, [livesUntilMs, Buffer.from(key), livesUntilMs]);
  }

  #sweepSometimes(): void {
    const now = this.#clock.now();
    if (now - this.#sweptAt < sweepIntervalMs) return;
    this.#sweptAt = now;
    this.#do(() => this.#sweep(now));
  }

  async #sweep(now: number): Promise<void> {
    const statement = `
      DELETE FROM keyed_values WHERE name IN
        (SELECT name FROM keyed_values WHERE lives_until_ms <= ? LIMIT ${sweptRows}) AND lives_until_ms <= ?
      RETURNING 1 AS one`;
    const swept = await queryRows(this.#database, statement, [now, now]);
    if (swept.length === sweptRows) await this.#sweep(now);
  }

  /** Does something that nobody waits for; that it fails is no reason for a caller to. */
  #do(task: () => Promise<void>): void {
    this.#upkeep = this.#upkeep.then(task).catch((reason: unknown) => {
      this.#logger.warn({ reason: StatusError.from(reason).message }, 'Values in SQL could not be looked after');
    });
  }
}
