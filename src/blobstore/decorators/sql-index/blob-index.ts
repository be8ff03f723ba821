import type { Digest } from '../../../digest/digest.js';
import type { Database } from '../../../sql/database.js';
import type { ListOfRows } from '../../../sql/dialect.js';
import { queryRows } from '../../../sql/query-rows.js';
import type { FoundBlob } from '../../found-blob.js';
import { stays } from './blob-index-schema.js';

/** What an index knows of digests that it was asked for, by their keys. The others it has never seen, or has forgotten. */
export interface Knowledge {
  /** They are there, and their last use is now. */
  readonly present: ReadonlySet<string>;
  /** They are being removed at this moment: who wants to store one again has to wait. */
  readonly leaving: ReadonlySet<string>;
}

/** How many blobs an index has, and how many bytes they have together. */
export interface IndexTotals {
  readonly blobs: number;
  readonly sizeBytes: number;
}

interface LookedUp {
  readonly digest: string;
  readonly is_stale: number | boolean;
  readonly is_leaving: number | boolean;
  readonly stays: number | boolean;
}

/** A use is written down only if the last one was longer ago: most of what a build asks for was asked for just before. */
export const useIntervalMs = 5 * 60_000;

/** Digests in one statement. */
export const defaultWindow = 10_000;

/**
 * The table of the blobs that a storage has, in SQL: one statement for each list of digests, whatever the length of the list
 * and of the table. Times are those of the database, which is the one clock that all servers share.
 *
 * Whoever changes several rows locks them in the order of their digests, so that no two wait for each other.
 */
export class BlobIndex {
  readonly #database: Database;
  readonly #window: number;

  /** `window` bounds how many digests one statement gets. */
  constructor(database: Database, window = defaultWindow) {
    this.#database = database;
    this.#window = window;
  }

  /** Looks digests up. What is found will not be removed for the promised time: that is settled before this resolves. */
  async find(digests: readonly Digest[]): Promise<Knowledge> {
    const present = new Set<string>();
    const leaving = new Set<string>();
    for (const keys of this.#windows(digests)) {
      for (let unsettled = keys; unsettled.length > 0;) {
        const rows = await this.#lookUp(unsettled);
        const stale = rows.filter((row) => row.stays && row.is_stale).map(({ digest }) => digest);
        for (const row of rows) {
          if (row.stays && !row.is_stale) present.add(row.digest);
          if (row.is_leaving) leaving.add(row.digest);
        }
        if (stale.length > 0) for (const key of await this.#touch(stale)) present.add(key);
        // A removal was quicker: whoever wants to store the blob has to know of it.
        unsettled = stale.filter((key) => !present.has(key));
      }
    }
    return { present, leaving };
  }

  /** Enters blobs that are in the storage. Returns the keys of those that are entered; the others are being removed. */
  async record(digests: readonly Digest[]): Promise<ReadonlySet<string>> {
    const { nowMs } = this.#database.dialect;
    const recorded = new Set<string>();
    for (const window of this.#digestWindows(digests)) {
      const { from, bindings } = this.#listOf(window);
      // SQLite wants a WHERE between a SELECT and ON CONFLICT.
      const statement = `
        INSERT INTO blob_index AS known (digest, size_bytes, used_at_ms)
        SELECT digest, size_bytes, ${nowMs} FROM ${from} WHERE true ORDER BY digest
        ON CONFLICT (digest) DO UPDATE SET used_at_ms = excluded.used_at_ms, leaving_until_ms = NULL
        WHERE known.leaving_until_ms IS NULL OR known.leaving_until_ms < excluded.used_at_ms
        RETURNING digest`;
      for (const { digest } of await this.#rows<{ digest: string }>(statement, bindings)) recorded.add(digest);
    }
    return recorded;
  }

  /** Enters blobs that were found in the storage and are not known yet. Returns how many were not. */
  async refill(blobs: readonly FoundBlob[]): Promise<number> {
    if (blobs.length === 0) return 0;
    const { from, bindings } = this.#database.dialect.listOf({
      digest: blobs.map(({ digest }) => digest.key),
      size_bytes: blobs.map(({ digest }) => digest.sizeBytes),
      used_at_ms: blobs.map(({ modifiedAtMs }) => Math.trunc(modifiedAtMs)),
    });
    const statement = `
      INSERT INTO blob_index (digest, size_bytes, used_at_ms)
      SELECT digest, size_bytes, used_at_ms FROM ${from} WHERE true ORDER BY digest
      ON CONFLICT (digest) DO NOTHING RETURNING digest`;
    return (await this.#rows(statement, bindings)).length;
  }

  /** Forgets blobs that the storage turned out not to have. */
  async forget(digests: readonly Digest[]): Promise<void> {
    for (const keys of this.#windows(digests)) {
      const { from, bindings } = this.#database.dialect.listOf({ digest: keys });
      await this.#rows(`DELETE FROM blob_index WHERE digest IN (SELECT digest FROM ${from}) AND ${stays}`, bindings);
    }
  }

  /** Counts all blobs: a walk over the table. */
  async totals(): Promise<IndexTotals> {
    const [totals] = await this.#rows<IndexTotals>(
      'SELECT count(*) AS blobs, CAST(coalesce(sum(size_bytes), 0) AS bigint) AS "sizeBytes" FROM blob_index',
    );
    return totals ?? { blobs: 0, sizeBytes: 0 };
  }

  #lookUp(keys: readonly string[]): Promise<readonly LookedUp[]> {
    const { listOf, nowMs } = this.#database.dialect;
    const { from, bindings } = listOf({ digest: keys });
    // A cross join leaves SQLite no choice: the list first, then the table by its key.
    const statement = `
      SELECT blob_index.digest, ${stays} AS stays, used_at_ms < ${nowMs} - ${useIntervalMs} AS is_stale,
        coalesce(leaving_until_ms > ${nowMs}, false) AS is_leaving
      FROM ${from} CROSS JOIN blob_index WHERE blob_index.digest = list.digest`;
    return this.#rows<LookedUp>(statement, bindings);
  }

  /** A row that a removal has taken in the meantime is left alone, and not returned. */
  async #touch(keys: readonly string[]): Promise<readonly string[]> {
    const { listOf, lockRows, nowMs } = this.#database.dialect;
    const { from, bindings } = listOf({ digest: keys });
    const statement = `
      WITH used AS MATERIALIZED (
        SELECT blob_index.digest FROM ${from} CROSS JOIN blob_index
        WHERE blob_index.digest = list.digest AND ${stays} ORDER BY blob_index.digest ${lockRows})
      UPDATE blob_index SET used_at_ms = ${nowMs} WHERE digest IN (SELECT digest FROM used) RETURNING digest`;
    return (await this.#rows<{ digest: string }>(statement, bindings)).map(({ digest }) => digest);
  }

  #listOf(digests: readonly Digest[]): ListOfRows {
    return this.#database.dialect.listOf({
      digest: digests.map(({ key }) => key),
      size_bytes: digests.map(({ sizeBytes }) => sizeBytes),
    });
  }

  #rows<Row>(statement: string, bindings?: readonly unknown[]): Promise<readonly Row[]> {
    return queryRows<Row>(this.#database, statement, bindings);
  }

  /** Each digest once: a statement may not change a row twice. */
  *#digestWindows(digests: readonly Digest[]): Iterable<readonly Digest[]> {
    const each = [...new Map(digests.map((digest) => [digest.key, digest])).values()];
    for (let start = 0; start < each.length; start += this.#window) yield each.slice(start, start + this.#window);
  }

  *#windows(digests: readonly Digest[]): Iterable<readonly string[]> {
    for (const window of this.#digestWindows(digests)) yield window.map(({ key }) => key);
  }
}
