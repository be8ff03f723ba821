import { randomUUID } from 'node:crypto';
import type { Clock } from '../../common/clock.js';
import { systemClock } from '../../common/clock.js';
import type { Database } from '../../sql/database.js';
import { migrate, type MigrateOptions } from '../../sql/migrate.js';
import { LocalJobEvents, type JobEventBus, type JobEvents } from '../job-events.js';
import type { InspectableJobStore, JobInspection } from '../job-inspection.js';
import type { OperationStore, SessionStore, StoreUpkeep, WatchStore } from '../job-store.js';
import { jobSchema } from './job-schema.js';
import { JobTransaction, type RunRead, type RunTransaction } from './job-transaction.js';
import { SqlJobInspection } from './sql-job-inspection.js';
import { SqlOperationStore } from './sql-operation-store.js';
import { SqlSessionStore } from './sql-session-store.js';
import { SqlStoreUpkeep } from './sql-store-upkeep.js';
import { SqlWatchStore } from './sql-watch-store.js';

/** What {@link SqlJobStore.open} is told. */
export interface SqlJobStoreOptions extends MigrateOptions {
  /** Stays open when the store is no longer used: whoever opened it closes it. */
  readonly database: Database;
  /** Deadlines go by the database's clock, which on SQLite is this one. @defaultValue the machine's */
  readonly clock?: Clock;
  /** Tells of what is changed. @defaultValue only this process is told, so that no other may have the database */
  readonly events?: JobEventBus;
  /** Leases in all before a Job is given up. @defaultValue 5 */
  readonly maxAttempts?: number;
}

/**
 * Jobs in a SQL database, of which PostgreSQL may serve several controllers at once.
 *
 * What callers want at the same time is done together, all of one kind in one transaction: see {@link JobTransaction}.
 */
export class SqlJobStore implements InspectableJobStore {
  readonly operations: OperationStore;
  readonly sessions: SessionStore;
  readonly upkeep: StoreUpkeep;
  readonly watches: WatchStore;
  readonly inspection: JobInspection;
  readonly #events: JobEventBus;

  private constructor(options: SqlJobStoreOptions) {
    const { database, clock = systemClock, maxAttempts = 5 } = options;
    this.#events = options.events ?? new LocalJobEvents();
    const id = randomUUID();
    const { dialect } = database;
    const run: RunTransaction = async (kind, work) => {
      const { result, events } = await database.transaction(async (sql) => {
        const nowMs = await dialect.timeOf(sql, clock);
        const transaction = new JobTransaction({ sql, dialect, nowMs, maxAttempts, counter: `${id} ${kind}` });
        const done = await work(transaction);
        await transaction.flush();
        if (transaction.events.length > 0) await this.#events.announce(sql, transaction.events);
        return { result: done, events: [...transaction.events, ...transaction.ownEvents] };
      });
      for (const event of events) this.#events.publish(event);
      return result;
    };
    const read: RunRead = (work) => database.read((sql) => work({ sql, dialect }));
    this.operations = new SqlOperationStore(run, read);
    this.sessions = new SqlSessionStore(run, read);
    this.upkeep = new SqlStoreUpkeep(run, read);
    this.watches = new SqlWatchStore(run);
    this.inspection = new SqlJobInspection(run, read, clock);
  }

  /** Makes the tables where they are missing. Throws FAILED_PRECONDITION for tables that it does not know. */
  static async open(options: SqlJobStoreOptions): Promise<SqlJobStore> {
    await migrate(options.database, jobSchema, options);
    return new SqlJobStore(options);
  }

  get events(): JobEvents {
    return this.#events;
  }
}
