import { SqlIndexBlobStore } from '../../src/blobstore/decorators/sql-index/sql-index-blob-store.js';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import type { Digest } from '../../src/digest/digest.js';
import type { Database } from '../../src/sql/database.js';
import { queryRows } from '../../src/sql/query-rows.js';

/** How a row is put into the table. */
export interface IndexRow {
  readonly ageMs: number;
  /** Marks it as being removed, for so long from now on. */
  readonly leavesInMs?: number;
}

/** The table of an index, as a test looks at it, and makes time pass in it. */
export class IndexTable {
  readonly #database: Database;

  private constructor(database: Database) {
    this.#database = database;
  }

  /** Makes the table where it is missing. */
  static async of(database: Database): Promise<IndexTable> {
    await SqlIndexBlobStore.open(new MemoryBlobStore(), { database });
    return new IndexTable(database);
  }

  async clear(): Promise<void> {
    await queryRows(this.#database, 'DELETE FROM blob_index');
    await queryRows(this.#database, 'DELETE FROM blob_index_upkeep');
  }

  async keys(): Promise<readonly string[]> {
    const rows = await queryRows<{ digest: string }>(this.#database, 'SELECT digest FROM blob_index ORDER BY digest');
    return rows.map(({ digest }) => digest);
  }

  async insert({ key, sizeBytes }: Digest, { ageMs, leavesInMs }: IndexRow): Promise<void> {
    const now = this.#database.dialect.nowMs;
    const leaves = leavesInMs === undefined ? 'NULL' : `${now} + ${leavesInMs}`;
    const statement = `INSERT INTO blob_index VALUES (?, ?, ${now} - ${ageMs}, ${leaves})`;
    await queryRows(this.#database, statement, [key, sizeBytes]);
  }

  /** Lets a blob be used last so long ago; without a blob, all of them. */
  async age(digest: Digest | undefined, ageMs: number): Promise<void> {
    const statement = `UPDATE blob_index SET used_at_ms = ${this.#database.dialect.nowMs} - ${ageMs}`;
    if (digest) await queryRows(this.#database, `${statement} WHERE digest = ?`, [digest.key]);
    else await queryRows(this.#database, statement);
  }

  /** How long ago a blob was used last. */
  async ageOf({ key }: Digest): Promise<number> {
    const statement = `SELECT ${this.#database.dialect.nowMs} - used_at_ms AS age FROM blob_index WHERE digest = ?`;
    const [row] = await queryRows<{ age: number }>(this.#database, statement, [key]);
    return row?.age ?? NaN;
  }

  /** Lets time pass for who cleans up. */
  async ageUpkeep(ageMs: number): Promise<void> {
    const statement = `
      UPDATE blob_index_upkeep SET held_until_ms = held_until_ms - ?, refilled_at_ms = refilled_at_ms - ?`;
    await queryRows(this.#database, statement, [ageMs, ageMs]);
  }
}
