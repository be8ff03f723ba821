import type { Sql } from '../../sql/database.js';
import type { Dialect } from '../../sql/dialect.js';
import type { Schema } from '../../sql/migrate.js';

async function createValues(sql: Sql, { bytesType }: Dialect): Promise<void> {
  await sql.raw(`CREATE TABLE keyed_values (
    name ${bytesType} PRIMARY KEY,
    value ${bytesType} NOT NULL,
    expires_at_ms bigint,
    lives_until_ms bigint
  )`);
  await sql.raw('CREATE INDEX keyed_values_ends ON keyed_values (lives_until_ms) WHERE lives_until_ms IS NOT NULL');
}

/** The table of small values. Keys are bytes: PostgreSQL's texts cannot hold every character. */
export const keyedValuesSchema: Schema = {
  component: 'keyed-values',
  migrations: [{ name: 'values by their keys', up: createValues }],
};
