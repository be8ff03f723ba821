import type { Database, Sql } from './database.js';

/** Runs one statement that a store has worded itself, and returns its rows, whose form the caller knows. */
export async function queryRows<Row>(
  database: Database,
  statement: string,
  bindings: readonly unknown[] = [],
): Promise<readonly Row[]> {
  return database.statement((sql) => rowsOf<Row>(sql, statement, bindings));
}

/** As {@link queryRows}, as a part of a transaction or a read. */
export async function rowsOf<Row>(sql: Sql, statement: string, bindings: readonly unknown[] = []): Promise<Row[]> {
  const rows: unknown = await sql.raw(statement, [...bindings] as never[]);
  return rows as Row[];
}
