import type { Sql } from '../../sql/database.js';

/** Version 4. Published: it stays as it is. */
export async function addQuarantine(sql: Sql): Promise<void> {
  await sql.schema.alterTable('attempts', (table) => {
    table.boolean('has_vanished').notNullable().defaultTo(false);
  });
  await sql.schema.createTable('killing_actions', (table) => {
    table.text('action_digest').primary();
    table.integer('attempts').notNullable();
    table.text('deaths').notNullable();
    table.bigInteger('since_ms').notNullable().index();
  });
}
