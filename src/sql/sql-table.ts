import type { Sql } from './database.js';
import { rowsOf } from './query-rows.js';
import type { ColumnType, Dialect, TypedColumn } from './dialect.js';

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
  /** A further condition. */
  readonly where?: string;
  /** @defaultValue the key */
  readonly order?: string;
  /** Whether they are about to be changed; `free` leaves out what others have locked. */
  readonly lock?: 'wait' | 'free';
}

/** What is changed of rows, by their keys. */
export type Patches<Row> = ReadonlyMap<string, Partial<Row>>;

/** How many bytes and how many rows go into one statement at the most. */
const maxBytes = 8 * 1024 * 1024;
const maxRows = 5_000;

/** A table whose rows are read and written in lists: one statement each, however long the list is. */
export class SqlTable<Row extends object> {
  readonly name: string;
  readonly #key: keyof Row & string;
  readonly #columns: Columns<Row>;
  readonly #readable: string;

  constructor(name: string, key: keyof Row & string, columns: Columns<Row>) {
    this.name = name;
    this.#key = key;
    this.#columns = columns;
    this.#readable = this.#names()
      .filter((column) => columns[column] !== 'bytes')
      .join(', ');
  }

  keyOf(row: Row): string {
    return String(row[this.#key]);
  }

  async select({ sql, dialect }: SqlContext, selection: Selection<Row>): Promise<Row[]> {
    const { column, values, where = 'true', order = this.#key, lock } = selection;
    if (values.length === 0) return [];
    const { from, bindings } = dialect.listOf({ wanted: [...new Set(values)] });
    const suffix = { wait: dialect.lockRows, free: dialect.lockFreeRows, none: '' }[lock ?? 'none'];
    const rows = await rowsOf<Row>(
      sql,
      `SELECT ${this.#readable} FROM ${this.name}
       WHERE ${column} IN (SELECT wanted FROM ${from}) AND ${where} ORDER BY ${order} ${suffix}`,
      bindings,
    );
    return this.read(rows);
  }

  /** Makes the booleans of rows what they are: SQLite has none. */
  read(rows: readonly Row[]): Row[] {
    const booleans = this.#names().filter((column) => this.#columns[column] === 'boolean');
    return rows.map((row) => {
      const read = { ...row } as Record<string, unknown>;
      for (const column of booleans) read[column] = Boolean(read[column]);
      return read as Row;
    });
  }

  /**
   * Adds rows, but for those that `conflict` names a unique column of and somebody else has one with. Returns the column
   * `returned` of those that were added, by their keys.
   */
  async insert(
    { sql, dialect }: SqlContext,
    rows: readonly Partial<Row>[],
    { conflict, returned }: { readonly conflict?: string; readonly returned?: string } = {},
  ): Promise<Map<string, number>> {
    const added = new Map<string, number>();
    for (const chunk of chunksOf(rows)) {
      const columns = this.#names().filter((column) => column in (chunk[0] ?? {}));
      const { from, bindings } = dialect.listOf(this.#listOf(chunk, columns));
      // SQLite wants a WHERE between a SELECT and ON CONFLICT.
      const unless = conflict === undefined ? '' : `WHERE true ON CONFLICT ${conflict} DO NOTHING`;
      const found = await rowsOf<{ key: string; returned: number }>(
        sql,
        `INSERT INTO ${this.name} (${columns.join(', ')})
         SELECT ${columns.map((column) => this.#valueOf(column, dialect)).join(', ')} FROM ${from} ${unless}
         RETURNING ${this.#key} AS key, ${returned ?? '0'} AS returned`,
        bindings,
      );
      for (const row of found) added.set(row.key, row.returned);
    }
    return added;
  }

  /** Changes rows: one statement for all that change in the same columns. */
  async update({ sql, dialect }: SqlContext, patches: Patches<Row>): Promise<void> {
    const alike = new Map<string, Partial<Row>[]>();
    for (const [key, patch] of patches) {
      const columns = Object.keys(patch).sort().join();
      alike.set(columns, [...(alike.get(columns) ?? []), { ...patch, [this.#key]: key }]);
    }
    for (const rows of alike.values()) {
      for (const chunk of chunksOf(rows)) {
        const columns = this.#names().filter((column) => column in (chunk[0] ?? {}));
        const { from, bindings } = dialect.listOf(this.#listOf(chunk, columns));
        const changes = columns
          .filter((column) => column !== this.#key)
          .map((column) => `${column} = ${this.#valueOf(column, dialect)}`);
        await rowsOf(
          sql,
          `UPDATE ${this.name} SET ${changes.join(', ')} FROM ${from} WHERE ${this.name}.${this.#key} = list.${this.#key}`,
          bindings,
        );
      }
    }
  }

  async delete({ sql, dialect }: SqlContext, keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return;
    const { from, bindings } = dialect.listOf({ wanted: keys });
    await rowsOf(sql, `DELETE FROM ${this.name} WHERE ${this.#key} IN (SELECT wanted FROM ${from})`, bindings);
  }

  #names(): (keyof Row & string)[] {
    return Object.keys(this.#columns) as (keyof Row & string)[];
  }

  #valueOf(column: keyof Row & string, { bytesOf }: Dialect): string {
    return this.#columns[column] === 'bytes' ? bytesOf(`list.${column}`) : `list.${column}`;
  }

  #listOf(rows: readonly Partial<Row>[], columns: readonly (keyof Row & string)[]): Record<string, TypedColumn> {
    return Object.fromEntries(
      columns.map((column) => [
        column,
        { type: this.#columns[column], values: rows.map((row) => plain(row[column] as ColumnValue)) },
      ]),
    );
  }
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
