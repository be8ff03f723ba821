import type { Clock } from '../../src/common/clock.js';
import { SqlJobStore } from '../../src/scheduler/stores/sql-job-store.js';
import type { Database } from '../../src/sql/database.js';
import { SqliteDatabase } from '../../src/sql/sqlite-database.js';

/** A JobStore over a database, in memory unless a file is named. Disposal closes the database. */
export async function openJobStore(
  clock: Clock,
  path = ':memory:',
): Promise<AsyncDisposable & { readonly store: SqlJobStore; readonly database: Database }> {
  const database = await SqliteDatabase.open({ path });
  const store = await SqlJobStore.open({ database, clock });
  return { store, database, [Symbol.asyncDispose]: () => database[Symbol.asyncDispose]() };
}
