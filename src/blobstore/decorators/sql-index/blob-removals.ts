import { Digest } from '../../../digest/digest.js';
import { digestFunctionBySegment } from '../../../digest/digest-function.js';
import type { Database } from '../../../sql/database.js';
import { queryRows } from '../../../sql/query-rows.js';
import type { BlobStore } from '../../blob-store.js';
import { type IndexTotals, defaultWindow, useIntervalMs } from './blob-index.js';
import { stays } from './blob-index-schema.js';

/** Which blobs {@link BlobRemovals.takeOldest} takes, the least recently used ones first. */
export interface RemovalOrder {
  readonly maxBlobs: number;
  /** Takes blobs until they have so many bytes together. */
  readonly sizeBytes: number;
  /** Takes only what was not used for so long; see {@link leastAgeMs}. */
  readonly unusedForMs: number;
}

interface TakenRow {
  readonly digest: string;
  readonly size_bytes: number;
  readonly leaving_until_ms: number;
}

/** For so long a blob stays that a client was told of (D4). */
const promiseMs = 30 * 60_000;

/** Whatever is asked for, what was used in this time stays: the promise, and what a last use may lag behind. */
export const leastAgeMs = promiseMs + useIntervalMs;

/** A removal that is not done by then is over, and whoever had begun it must not go on. */
const removalMs = 60_000;

/** The storage has so long, which leaves the rest for what is under way. */
const deletionMs = 45_000;

/**
 * Takes blobs out of a storage and its index, so that the index never says that one is there which is not: the row is marked,
 * and the blob counts as missing; then the object goes, then the row. Who wants to store a marked blob waits. A mark that was
 * left behind by a process that died ends by itself, and the next cleanup does its work.
 */
export class BlobRemovals {
  readonly #database: Database;
  readonly #blobs: BlobStore;

  constructor(database: Database, blobs: BlobStore) {
    this.#database = database;
    this.#blobs = blobs;
  }

  /** Removes these blobs, whether the index knows them or not. */
  async remove(digests: readonly Digest[]): Promise<void> {
    const each = [...new Map(digests.map((digest) => [digest.key, digest])).values()];
    for (let start = 0; start < each.length; start += defaultWindow) {
      await this.#finish(await this.#mark(each.slice(start, start + defaultWindow)));
    }
  }

  /** Removes the least recently used blobs, and returns how many. Rows are asked for their last use as they are marked. */
  async takeOldest(order: RemovalOrder): Promise<IndexTotals> {
    const { lockFreeRows, nowMs } = this.#database.dialect;
    const statement = `
      WITH oldest AS MATERIALIZED (
        SELECT digest, size_bytes, used_at_ms FROM blob_index WHERE ${stays} AND used_at_ms < ${nowMs} - ?
        ORDER BY used_at_ms, digest LIMIT ? ${lockFreeRows}),
      sums AS (SELECT digest, sum(size_bytes) OVER (ORDER BY used_at_ms, digest) - size_bytes AS before FROM oldest)
      UPDATE blob_index SET leaving_until_ms = ${nowMs} + ${removalMs}
      WHERE digest IN (SELECT digest FROM sums WHERE before < ?)
      RETURNING digest, size_bytes, leaving_until_ms`;
    return this.#finish(await this.#rows(statement, [ageOf(order), order.maxBlobs, order.sizeBytes]));
  }

  /** What {@link takeOldest} would remove if it were called until nothing is left to do. Changes nothing. */
  async countOldest({ sizeBytes, ...order }: RemovalOrder): Promise<IndexTotals> {
    const { nowMs } = this.#database.dialect;
    const statement = `
      WITH sums AS (
        SELECT size_bytes, sum(size_bytes) OVER (ORDER BY used_at_ms, digest) - size_bytes AS before
        FROM blob_index WHERE ${stays} AND used_at_ms < ${nowMs} - ?)
      SELECT count(*) AS blobs, CAST(coalesce(sum(size_bytes), 0) AS bigint) AS "sizeBytes" FROM sums WHERE before < ?`;
    const [totals] = await this.#rows<IndexTotals>(statement, [ageOf(order), sizeBytes]);
    return totals ?? { blobs: 0, sizeBytes: 0 };
  }

  /** Does the work of removals that were begun, and whose process died. Returns how many there were, up to `maxBlobs`. */
  async finishAbandoned(maxBlobs: number): Promise<IndexTotals> {
    const { lockFreeRows, nowMs } = this.#database.dialect;
    const statement = `
      UPDATE blob_index SET leaving_until_ms = ${nowMs} + ${removalMs}
      WHERE digest IN (SELECT digest FROM blob_index WHERE leaving_until_ms < ${nowMs} LIMIT ? ${lockFreeRows})
      RETURNING digest, size_bytes, leaving_until_ms`;
    return this.#finish(await this.#rows(statement, [maxBlobs]));
  }

  async #mark(digests: readonly Digest[]): Promise<readonly TakenRow[]> {
    const { nowMs, listOf } = this.#database.dialect;
    const { from, bindings } = listOf({
      digest: digests.map(({ key }) => key),
      size_bytes: digests.map(({ sizeBytes }) => sizeBytes),
    });
    const statement = `
      INSERT INTO blob_index (digest, size_bytes, used_at_ms, leaving_until_ms)
      SELECT digest, size_bytes, ${nowMs}, ${nowMs} + ${removalMs} FROM ${from} WHERE true ORDER BY digest
      ON CONFLICT (digest) DO UPDATE SET leaving_until_ms = excluded.leaving_until_ms
      RETURNING digest, size_bytes, leaving_until_ms`;
    return this.#rows(statement, bindings);
  }

  /** Rows whose mark is another one by now belong to somebody else. */
  async #finish(taken: readonly TakenRow[]): Promise<IndexTotals> {
    const [first] = taken;
    if (!first) return { blobs: 0, sizeBytes: 0 };
    const digests = taken.map(({ digest }) => digestOf(digest));
    await this.#blobs.delete(digests, AbortSignal.timeout(deletionMs));
    const { from, bindings } = this.#database.dialect.listOf({ digest: taken.map(({ digest }) => digest) });
    await this.#rows(`DELETE FROM blob_index WHERE digest IN (SELECT digest FROM ${from}) AND leaving_until_ms = ?`, [
      ...bindings,
      first.leaving_until_ms,
    ]);
    return { blobs: taken.length, sizeBytes: taken.reduce((sum, row) => sum + row.size_bytes, 0) };
  }

  #rows<Row = TakenRow>(statement: string, bindings: readonly unknown[]): Promise<readonly Row[]> {
    return queryRows<Row>(this.#database, statement, bindings);
  }
}

function ageOf({ unusedForMs }: Pick<RemovalOrder, 'unusedForMs'>): number {
  return Math.max(unusedForMs, leastAgeMs);
}

/** The inverse of `Digest.key`. */
function digestOf(key: string): Digest {
  const parts = /^(?<segment>[^/]+)\/(?<hash>[^-]+)-(?<size>\d+)$/.exec(key)?.groups;
  const fn = digestFunctionBySegment(parts?.['segment'] ?? '');
  return Digest.from(parts?.['hash'] ?? '', Number(parts?.['size']), fn);
}
