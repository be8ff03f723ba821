import type { Dialect, Statement } from './dialect.js';
import type { InsertOptions, SqlContext, SqlTable } from './sql-table.js';

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
    if (!this.#added.has(key)) this.#note(key, patch);
  }

  /** Changes a row that need not be here. */
  patch(key: string, patch: Partial<Row>): void {
    const row = this.#rows.get(key);
    if (row) this.change(row, patch);
    else this.#note(key, patch);
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

  /** What writes back all that was changed until now. */
  takeStatements(dialect: Dialect): Statement[] {
    return [...this.#takeChanges(dialect), ...this.#table.inserts(dialect, this.#takeAdded())];
  }

  /** Writes back what was changed. Returns the keys of the new rows that were added, and what the database made for them. */
  async flush(context: SqlContext, options: InsertOptions = {}): Promise<Map<string, number>> {
    const { sql, dialect } = context;
    const { conflict } = options;
    const mayConflict = conflict !== undefined && dialect.isShared;
    if (!mayConflict && options.returned === undefined) {
      const added = new Map([...this.#added].map((key) => [key, 0]));
      await dialect.runAll(sql, this.takeStatements(dialect));
      return added;
    }
    await dialect.runAll(sql, this.#takeChanges(dialect));
    return this.#table.insert(context, this.#takeAdded(), { ...options, conflict: mayConflict ? conflict : undefined });
  }

  #note(key: string, patch: Partial<Row>): void {
    const noted = this.#patches.get(key);
    if (noted) Object.assign(noted, patch);
    else this.#patches.set(key, { ...patch });
  }

  #takeChanges(dialect: Dialect): Statement[] {
    const statements = [
      ...this.#table.deletes(dialect, [...this.#removed]),
      ...this.#table.updates(dialect, this.#patches),
    ];
    this.#removed.clear();
    this.#patches.clear();
    return statements;
  }

  #takeAdded(): Row[] {
    const added = [...this.#added].map((key) => this.#rows.get(key)).filter((row) => row !== undefined);
    this.#added.clear();
    return added;
  }
}
