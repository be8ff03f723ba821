import { rowsOf } from './query-rows.js';
import {
  isTyped,
  type ColumnType,
  type Dialect,
  type ListColumn,
  type ListOfRows,
  type TypedColumn,
} from './dialect.js';

/** Any number that others who use the same database are unlikely to lock. */
const schemaLock = 4_017_728_051;

const nowMs = 'CAST(floor(extract(epoch FROM statement_timestamp()) * 1000) AS bigint)';

/** PostgreSQL, from version 12. */
export const postgresDialect: Dialect = {
  name: 'postgresql',
  anotherPlace: 'another database',
  bytesType: 'bytea',
  valueOf: (type) => `CAST(? AS ${arrayTypes[type].replace('[]', '')})`,
  bytesOf: (hex) => `decode(${hex}, 'hex')`,
  keyType: 'text COLLATE "C"',
  nowMs,
  timeOf: async (sql) => {
    const [row] = await sql.raw<{ now_ms: number }[]>(`SELECT ${nowMs} AS now_ms`);
    return row?.now_ms ?? 0;
  },
  isShared: true,
  lockRows: 'FOR UPDATE',
  lockFreeRows: 'FOR UPDATE SKIP LOCKED',
  listOf,
  // Not a list to join with: the planner would rather walk through a table that has grown than look for a few keys.
  isIn: (column, values) => ({ text: `${column} = ANY(?::text[])`, bindings: [values] }),
  select: (sql, _columns, { text, bindings }) => rowsOf(sql, text, bindings),
  runAll: async (sql, statements) => {
    for (const { text, bindings } of statements) await rowsOf(sql, text, bindings);
  },
  tables: (sql) => sql('pg_tables').whereRaw('schemaname = current_schema()').pluck('tablename'),
  lockSchema: async (sql) => void (await sql.raw('SELECT pg_advisory_xact_lock(?)', [schemaLock])),
};

function listOf(columns: Readonly<Record<string, ListColumn>>): ListOfRows {
  const lists = Object.values(columns).map(typed);
  const parameters = lists.map(({ type }) => `?::${arrayTypes[type]}`);
  const names = Object.keys(columns).join(', ');
  return { from: `unnest(${parameters.join(', ')}) AS list (${names})`, bindings: lists.map(({ values }) => values) };
}

const arrayTypes: Readonly<Record<ColumnType, string>> = {
  text: 'text[]',
  integer: 'integer[]',
  bigint: 'bigint[]',
  double: 'double precision[]',
  boolean: 'boolean[]',
  bytes: 'text[]',
};

function typed(column: ListColumn): TypedColumn {
  if (isTyped(column)) return column;
  return { type: typeof column[0] === 'number' ? 'bigint' : 'text', values: column };
}
