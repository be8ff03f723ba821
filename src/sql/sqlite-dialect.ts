import { isTyped, type Dialect, type ListColumn, type ListOfRows, type TypedColumn } from './dialect.js';

/** SQLite, from version 3.42. */
export const sqliteDialect: Dialect = {
  name: 'sqlite',
  anotherPlace: 'a new file',
  bytesType: 'BLOB',
  bytesOf: (hex) => `unhex(${hex})`,
  keyType: 'TEXT',
  nowMs: "CAST(unixepoch('subsec') * 1000 AS INTEGER)",
  timeOf: (_sql, clock) => Promise.resolve(clock.now()),
  isShared: false,
  // There is one writer at a time.
  lockRows: '',
  lockFreeRows: '',
  listOf,
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
