import type { Sql } from '../../sql/database.js';

/** Version 5. Published: it stays as it is. */
export async function addWatches(sql: Sql): Promise<void> {
  await sql.schema.createTable('watches', (table) => {
    // Nothing is referred to: rows of Operations that are forgotten go when their time is over, as all others.
    table.text('operation_id').primary();
    table.bigInteger('until_ms').notNullable().index();
  });
}
