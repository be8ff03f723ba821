import type { SqlContext, SqlTable } from './sql-table.js';

/** What {@link RowSet.flush} does with rows that are new. */
export interface FlushOptions {
  /** A unique column of which somebody else may have the same value: who is second is not added. */
  readonly conflict?: string;
  /** A column whose values the database makes. */
  readonly returned?: string;
}

/**
 * Some rows of a table, loaded and locked in a transaction, to be changed here and written back together. Who looks sees
 * what was changed before.
 */
export class RowSet<Row extends object> {
  readonly #table: SqlTable<Row>;
  readonly #rows = new Map<string, Row>();
  readonly #added = new Set<string>();
  readonly #patches = new Map<string, Partial<Row>>();
  readonly #removed = new Set<string>();

  constructor(table: SqlTable<Row>) {
    this.#table = table;
  }

  /** Takes rows in as they are in the database; those that are here already stay as they are. */
  load(rows: Iterable<Row>): void {
    for (const row of rows) {
      const key = this.#table.keyOf(row);
      if (!this.#rows.has(key) && !this.#removed.has(key)) this.#rows.set(key, row);
    }
  }

  get(key: string | null): Row | undefined {
    return key === null ? undefined : this.#rows.get(key);
  }

  values(): IterableIterator<Row> {
    return this.#rows.values();
  }

  /** A new row. Returns it. */
  add(row: Row): Row {
    const key = this.#table.keyOf(row);
    this.#rows.set(key, row);
    this.#added.add(key);
    return row;
  }

  /** Changes a row that is here. */
  change(row: Row, patch: Partial<Row>): void {
    const key = this.#table.keyOf(row);
    Object.assign(row, patch);
    if (!this.#added.has(key)) this.#patches.set(key, { ...this.#patches.get(key), ...patch });
  }

  /** Changes a row that need not be here. */
  patch(key: string, patch: Partial<Row>): void {
    const row = this.#rows.get(key);
    if (row) this.change(row, patch);
    else this.#patches.set(key, { ...this.#patches.get(key), ...patch });
  }

  /** Forgets a new row that could not be added. */
  drop(key: string): void {
    this.#rows.delete(key);
    this.#added.delete(key);
  }

  remove(row: Row): void {
    const key = this.#table.keyOf(row);
    this.#rows.delete(key);
    this.#patches.delete(key);
    if (!this.#added.delete(key)) this.#removed.add(key);
  }

  /** Writes what was changed. Returns the keys of the new rows, and what the database has made for them. */
  async flush(context: SqlContext, options: FlushOptions = {}): Promise<Map<string, number>> {
    const removed = [...this.#removed];
    const patches = new Map(this.#patches);
    const added = [...this.#added].map((key) => this.#rows.get(key)).filter((row) => row !== undefined);
    for (const each of [this.#removed, this.#patches, this.#added]) each.clear();
    await this.#table.delete(context, removed);
    await this.#table.update(context, patches);
    return this.#table.insert(context, added, options);
  }
}
