import type { Knex } from 'knex';
import { rowsOf } from './query-rows.js';
import {
  isTyped,
  type Dialect,
  type ListColumn,
  type ListOfRows,
  type Statement,
  type TypedColumn,
} from './dialect.js';

/** SQLite, from version 3.42. */
export const sqliteDialect: Dialect = {
  name: 'sqlite',
  anotherPlace: 'a new file',
  bytesType: 'BLOB',
  valueOf: () => '?',
  bytesOf: (hex) => `unhex(${hex})`,
  keyType: 'TEXT',
  nowMs: "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
  timeOf: (_sql, clock) => Promise.resolve(clock.now()),
  isShared: false,
  // There is one writer at a time.
  lockRows: '',
  lockFreeRows: '',
  listOf,
  isIn: (column, values) => ({
    text: `${column} IN (SELECT value FROM json_each(?))`,
    bindings: [JSON.stringify(values)],
  }),
  select,
  runAll,
  tables: async (sql) => {
    const rows = await sql('sqlite_master').where({ type: 'table' }).whereNot('name', 'like', 'sqlite_%');
    return rows.map(({ name }: { name: string }) => name);
  },
  lockSchema: () => Promise.resolve(),
};

function listOf(columns: Readonly<Record<string, ListColumn>>): ListOfRows {
  const names = Object.keys(columns);
  const [first = [], ...others] = Object.values(columns).map(valuesOf);
  if (others.length === 0) {
    return { from: `(SELECT value AS ${names.join()} FROM json_each(?)) AS list`, bindings: [JSON.stringify(first)] };
  }
  const rows = first.map((value, row) => [value, ...others.map((column) => column[row])]);
  const picked = names.map((name, index) => `value ->> ${index} AS ${name}`).join(', ');
  return { from: `(SELECT ${picked} FROM json_each(?)) AS list`, bindings: [JSON.stringify(rows)] };
}

function valuesOf(column: ListColumn): TypedColumn['values'] {
  return isTyped(column) ? column.values : column;
}

/** The driver makes an object of each row, a property at a time: one text of all of them takes half of the time. */
async function select<Row>(sql: Knex, columns: readonly string[], { text, bindings }: Statement): Promise<Row[]> {
  const wrapped = `SELECT json_group_array(json_array(${columns.join()})) AS list FROM (${text})`;
  const [found] = await rowsOf<{ list: string }>(sql, wrapped, bindings);
  const rows = JSON.parse(found?.list ?? '[]') as unknown[][];
  return rows.map((values) => {
    const row: Record<string, unknown> = {};
    for (let index = 0; index < columns.length; index += 1) row[columns[index] ?? ''] = values[index];
    return row as Row;
  });
}

/** What this needs of the driver's connection. */
interface Connection {
  exec(text: string, done: (reason: Error | null) => void): void;
}

/** One journey to the driver's thread, instead of two for each statement. */
async function runAll(sql: Knex, statements: readonly Statement[]): Promise<void> {
  if (statements.length === 0) return;
  const client = sql.client as Knex.Client;
  const connection = (await client.acquireConnection()) as Connection;
  try {
    await new Promise<void>((resolve, reject) => {
      connection.exec(statements.map(literally).join(';\n'), (reason) => (reason ? reject(reason) : resolve()));
    });
  } finally {
    await client.releaseConnection(connection);
  }
}

/** A statement with its values in the place of the question marks. */
function literally({ text, bindings }: Statement): string {
  const parts = text.split('?');
  return parts.map((part, index) => part + (index < bindings.length ? literal(bindings[index]) : '')).join('');
}

function literal(value: unknown): string {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  // A NUL would end the statement. Lists are JSON, which has none.
  if (typeof value !== 'string' || value.includes('\0')) throw new TypeError('A text without NUL is wanted');
  return `'${value.replaceAll("'", "''")}'`;
}
