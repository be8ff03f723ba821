import type { Sql } from './database.js';
import { rowsOf } from './query-rows.js';
import type { ColumnType, Dialect, Statement, TypedColumn } from './dialect.js';

/** What a statement is run with. */
export interface SqlContext {
  readonly sql: Sql;
  readonly dialect: Dialect;
}

/** The types of a table's columns. Those of bytes are written only: what needs them reads them by itself. */
export type Columns<Row> = Readonly<Record<keyof Row & string, ColumnType>>;

/** Which rows {@link SqlTable.select} returns, in the order of `order`. */
export interface Selection<Row> {
  readonly column: keyof Row & string;
  readonly values: readonly string[];
  /** @defaultValue the key */
  readonly order?: string;
  /** Whether they are about to be changed; `free` leaves out what others have locked. */
  readonly lock?: 'wait' | 'free';
}

/** What is changed of rows, by their keys. */
export type Patches<Row> = ReadonlyMap<string, Partial<Row>>;

/** What {@link SqlTable.insert} does besides. */
export interface InsertOptions {
  /** A unique column of which somebody else may have the same value: who is second is not added. */
  readonly conflict?: string | undefined;
  /** A column whose values the database makes. */
  readonly returned?: string | undefined;
}

/** How many bytes and how many rows go into one statement at the most. */
const maxBytes = 8 * 1024 * 1024;
const maxRows = 5_000;

/** A table whose rows are read and written in lists: one statement each, however long the list is. */
export class SqlTable<Row extends object> {
  readonly name: string;
  readonly #key: keyof Row & string;
  readonly #columns: Columns<Row>;
  readonly #names: readonly (keyof Row & string)[];
  readonly #readable: readonly string[];

  constructor(name: string, key: keyof Row & string, columns: Columns<Row>) {
    this.name = name;
    this.#key = key;
    this.#columns = columns;
    this.#names = Object.keys(columns) as (keyof Row & string)[];
    this.#readable = this.#names.filter((column) => columns[column] !== 'bytes');
  }

  keyOf(row: Row): string {
    return String(row[this.#key]);
  }

  async select({ sql, dialect }: SqlContext, selection: Selection<Row>): Promise<Row[]> {
    const { column, values, order = this.#key, lock } = selection;
    if (values.length === 0) return [];
    const { text: isWanted, bindings } = dialect.isIn(column, [...new Set(values)]);
    const suffix = { wait: dialect.lockRows, free: dialect.lockFreeRows, none: '' }[lock ?? 'none'];
    const text = `
      SELECT ${this.#readable.join(', ')} FROM ${this.name}
      WHERE ${isWanted} ORDER BY ${order} ${suffix}`;
    return this.#read(await dialect.select<Row>(sql, this.#readable, { text, bindings }));
  }

  /** Adds rows. Of a chunk all have the same columns. */
  inserts(dialect: Dialect, rows: readonly Partial<Row>[]): Statement[] {
    return [...chunksOf(rows)].map((chunk) => this.#insert(dialect, chunk));
  }

  /**
   * Adds rows at once, but for those of which `conflict` names a unique column that somebody else has the same in. Returns
   * the column `returned` of those that were added, by their keys.
   */
  async insert(
    { sql, dialect }: SqlContext,
    rows: readonly Partial<Row>[],
    { conflict, returned }: InsertOptions,
  ): Promise<Map<string, number>> {
    const added = new Map<string, number>();
    for (const chunk of chunksOf(rows)) {
      const { text, bindings } = this.#insert(dialect, chunk);
      // SQLite wants a WHERE between a SELECT and ON CONFLICT.
      const unless = conflict === undefined ? '' : `WHERE true ON CONFLICT ${conflict} DO NOTHING`;
      const returning = `RETURNING ${this.#key} AS key, ${returned ?? '0'} AS returned`;
      const found = await rowsOf<{ key: string; returned: number }>(sql, `${text} ${unless} ${returning}`, bindings);
      for (const row of found) added.set(row.key, row.returned);
    }
    return added;
  }

  /** Changes rows: one statement for all that change in the same columns. */
  updates(dialect: Dialect, patches: Patches<Row>): Statement[] {
    const alike = new Map<string, Partial<Row>[]>();
    for (const [key, patch] of patches) {
      const columns = Object.keys(patch).sort().join();
      const rows = alike.get(columns) ?? [];
      rows.push({ ...patch, [this.#key]: key });
      alike.set(columns, rows);
    }
    return [...alike.values()].flatMap((rows) => [...chunksOf(rows)].map((chunk) => this.#update(dialect, chunk)));
  }

  deletes(dialect: Dialect, keys: readonly string[]): Statement[] {
    if (keys.length === 0) return [];
    const { text, bindings } = dialect.isIn(this.#key, keys);
    return [{ text: `DELETE FROM ${this.name} WHERE ${text}`, bindings }];
  }

  #insert(dialect: Dialect, rows: readonly Partial<Row>[]): Statement {
    const { names, values, from, bindings } = this.#source(dialect, rows);
    return {
      text: `INSERT INTO ${this.name} (${names.join(', ')}) SELECT ${values.join(', ')} FROM ${from}`,
      bindings,
    };
  }

  #update(dialect: Dialect, rows: readonly Partial<Row>[]): Statement {
    const { names, values, from, bindings } = this.#source(dialect, rows);
    const changes = names.flatMap((name, index) => (name === this.#key ? [] : [`${name} = ${values[index] ?? ''}`]));
    const text = `
      UPDATE ${this.name} SET ${changes.join(', ')} FROM ${from}
      WHERE ${this.name}.${this.#key} = list.${this.#key}`;
    return { text, bindings };
  }

  /** Rows as the source of a statement. What all of them have alike stands in it once. */
  #source(dialect: Dialect, rows: readonly Partial<Row>[]): Source<Row> {
    const [first = {}] = rows;
    const names = this.#names.filter((column) => column in first);
    const values: string[] = [];
    const alike: ColumnValue[] = [];
    const listed: Record<string, TypedColumn> = {};
    for (const name of names) {
      const type = this.#columns[name];
      const column = rows.map((row) => row[name] as ColumnValue);
      const [value = null] = column;
      if (name === this.#key || value instanceof Uint8Array || column.some((each) => each !== value)) {
        listed[name] = { type, values: column.map(plain) };
        values.push(type === 'bytes' ? dialect.bytesOf(`list.${name}`) : `list.${name}`);
      } else if (value === null) values.push('NULL');
      else {
        alike.push(value);
        values.push(dialect.valueOf(type));
      }
    }
    const { from, bindings } = dialect.listOf(listed);
    return { names, values, from, bindings: [...alike, ...bindings] };
  }

  /** Makes the booleans of rows what they are: SQLite has none. */
  #read(rows: readonly Row[]): Row[] {
    const booleans = this.#names.filter((column) => this.#columns[column] === 'boolean');
    for (const row of rows as Record<string, unknown>[]) {
      for (const column of booleans) row[column] = Boolean(row[column]);
    }
    return [...rows];
  }
}

/** What an INSERT or an UPDATE takes rows from: the values of columns, and where they are. */
interface Source<Row> {
  readonly names: readonly (keyof Row & string)[];
  readonly values: readonly string[];
  readonly from: string;
  readonly bindings: readonly unknown[];
}

type ColumnValue = string | number | boolean | Uint8Array | null;

function plain(value: ColumnValue): Exclude<ColumnValue, Uint8Array> {
  return value instanceof Uint8Array
    ? Buffer.from(value.buffer, value.byteOffset, value.length).toString('hex')
    : value;
}

/** A text of all rows at once might be longer than a text can be. */
function* chunksOf<Row extends object>(rows: readonly Row[]): Generator<readonly Row[]> {
  let chunk: Row[] = [];
  let sizeBytes = 0;
  for (const row of rows) {
    const ownBytes = Object.values(row).reduce((sum: number, value: unknown) => sum + lengthOf(value), 0);
    if (chunk.length === maxRows || (chunk.length > 0 && sizeBytes + ownBytes > maxBytes)) {
      yield chunk;
      chunk = [];
      sizeBytes = 0;
    }
    chunk.push(row);
    sizeBytes += ownBytes;
  }
  if (chunk.length > 0) yield chunk;
}

function lengthOf(value: unknown): number {
  return typeof value === 'string' || value instanceof Uint8Array ? value.length : 0;
}
