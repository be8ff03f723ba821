import type { Clock } from '../../src/common/clock.js';
import { SqlJobStore } from '../../src/scheduler/stores/sql-job-store.js';
import type { Database } from '../../src/sql/database.js';
import { databaseKinds } from './database-kinds.js';

/** A store in a database of its own, which is closed with it. */
export type OpenedJobStore = AsyncDisposable & { readonly store: SqlJobStore; readonly database: Database };

/** What a suite runs on that is for each kind of database a JobStore can live in. */
export interface JobStoreKind {
  readonly kind: string;
  /** Opens a new, empty store. Its deadlines go by `clock`, on PostgreSQL too. */
  readonly open: (clock: Clock) => Promise<OpenedJobStore>;
}

/** Every kind of database that a JobStore can live in. */
export const jobStoreKinds: readonly JobStoreKind[] = databaseKinds.map(({ kind, open }) => ({
  kind,
  open: async (clock) => {
    const database = await open();
    const store = await SqlJobStore.open({ database: onClock(database, clock), clock });
    return { store, database, [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() };
  },
}));

/** The same database, but for its clock: a test cannot wait for deadlines. */
function onClock(database: Database, clock: Clock): Database {
  return {
    dialect: { ...database.dialect, timeOf: () => Promise.resolve(clock.now()) },
    transaction: (work) => database.transaction(work),
    read: (work) => database.read(work),
    statement: (work) => database.statement(work),
    [Symbol.asyncDispose]: () => database[Symbol.asyncDispose](),
  };
}
