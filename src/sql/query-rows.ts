import type { Database } from './database.js';

/** Runs one statement that a store has worded itself, and returns its rows, whose form the caller knows. */
export async function queryRows<Row>(
  database: Database,
  statement: string,
  bindings: readonly unknown[] = [],
): Promise<readonly Row[]> {
  const rows: unknown = await database.statement((sql) => sql.raw(statement, [...bindings] as never[]));
  return rows as readonly Row[];
}
