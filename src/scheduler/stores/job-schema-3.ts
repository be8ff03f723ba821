import type { Sql } from '../../sql/database.js';

/** Version 3. Published: it stays as it is. */
export async function addDrains(sql: Sql): Promise<void> {
  await sql.schema.createTable('drained_bots', (table) => {
    table.text('parent').notNullable();
    table.text('bot_id').notNullable();
    table.bigInteger('drained_at_ms').notNullable();
    table.primary(['parent', 'bot_id']);
  });
  await sql.schema.alterTable('bot_sessions', (table) => {
    table.boolean('is_drained').notNullable().defaultTo(false);
  });
}
