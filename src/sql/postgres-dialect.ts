import type { Dialect, ListColumn, ListOfRows } from './dialect.js';

/** Any number that others who use the same database are unlikely to lock. */
const schemaLock = 4_017_728_051;

const nowMs = 'CAST(floor(extract(epoch FROM statement_timestamp()) * 1000) AS bigint)';

/** PostgreSQL, from version 12. */
export const postgresDialect: Dialect = {
  name: 'postgresql',
  anotherPlace: 'another database',
  bytesType: 'bytea',
  keyType: 'text COLLATE "C"',
  nowMs,
  timeOf: async (sql) => {
    const [row] = await sql.raw<{ now_ms: number }[]>(`SELECT ${nowMs} AS now_ms`);
    return row?.now_ms ?? 0;
  },
  lockRows: 'FOR UPDATE',
  lockFreeRows: 'FOR UPDATE SKIP LOCKED',
  listOf,
  tables: (sql) => sql('pg_tables').whereRaw('schemaname = current_schema()').pluck('tablename'),
  lockSchema: async (sql) => void (await sql.raw('SELECT pg_advisory_xact_lock(?)', [schemaLock])),
};

function listOf(columns: Readonly<Record<string, ListColumn>>): ListOfRows {
  const lists = Object.values(columns);
  const parameters = lists.map((list) => (typeof list[0] === 'number' ? '?::bigint[]' : '?::text[]'));
  const names = Object.keys(columns).join(', ');
  return { from: `unnest(${parameters.join(', ')}) AS list (${names})`, bindings: lists };
}
