import type { Sql } from '../../../sql/database.js';
import type { Dialect } from '../../../sql/dialect.js';
import type { Schema } from '../../../sql/migrate.js';

/**
 * Which blobs a removal may begin with. A literal text: an index over a part of a table serves only queries that repeat its
 * condition word for word.
 */
export const stays = 'leaving_until_ms IS NULL';

async function createIndex(sql: Sql, { name, keyType }: Dialect): Promise<void> {
  // Rows are found by their digest only, so that SQLite needs no number for them besides.
  const storage = name === 'sqlite' ? 'WITHOUT ROWID' : '';
  await sql.raw(`CREATE TABLE blob_index (
    digest ${keyType} PRIMARY KEY,
    size_bytes bigint NOT NULL,
    used_at_ms bigint NOT NULL,
    leaving_until_ms bigint
  ) ${storage}`);
  await sql.raw(`CREATE INDEX blob_index_uses ON blob_index (used_at_ms, digest) WHERE ${stays}`);
  await sql.raw('CREATE INDEX blob_index_leaving ON blob_index (leaving_until_ms) WHERE leaving_until_ms IS NOT NULL');
}

async function createUpkeep(sql: Sql): Promise<void> {
  await sql.schema.createTable('blob_index_upkeep', (table) => {
    table.integer('id').primary();
    table.text('holder').notNullable();
    table.bigInteger('held_until_ms').notNullable();
    table.bigInteger('refilled_at_ms').notNullable();
  });
}

/** The table of an index of blobs, and who is cleaning up. */
export const blobIndexSchema: Schema = {
  component: 'blob-index',
  migrations: [
    { name: 'blobs by their digests, with their last use', up: createIndex },
    { name: 'who cleans up', up: createUpkeep },
  ],
};
