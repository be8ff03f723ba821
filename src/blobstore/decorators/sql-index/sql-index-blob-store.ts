import { begin } from '../../../common/begin.js';
import { type Clock, systemClock } from '../../../common/clock.js';
import { Code } from '../../../common/code.js';
import { type Logger, silentLogger } from '../../../common/logger.js';
import { OutageLog } from '../../../common/outage-log.js';
import { StatusError } from '../../../common/status-error.js';
import type { Digest } from '../../../digest/digest.js';
import type { Database } from '../../../sql/database.js';
import { type MigrateOptions, migrate } from '../../../sql/migrate.js';
import { StatementBatch } from '../../../sql/statement-batch.js';
import { type Blob, BlobNotFoundError, type BlobStore, type ByteRange, type WriteOutcome } from '../../blob-store.js';
import type { MeasurableStore, StoreStats } from '../../store-stats.js';
import { BlobIndex, type Knowledge } from './blob-index.js';
import { blobIndexSchema } from './blob-index-schema.js';
import { BlobRemovals, leastAgeMs } from './blob-removals.js';
import { RecentUses } from './recent-uses.js';

/** What {@link SqlIndexBlobStore.open} is told. */
export interface SqlIndexOptions extends MigrateOptions {
  /** Stays open when the store is no longer used: whoever opened it closes it. */
  readonly database: Database;
  /** Whether a read that finds a blob which the index lacks enters it. @defaultValue false */
  readonly fallsBackOnGet?: boolean;
  /** Digests in one statement. @defaultValue 10,000 */
  readonly window?: number | undefined;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** How long a writer waits for a removal of the blob that it brings, and how often it looks. */
const patienceMs = 15_000;
const pollMs = 200;

/**
 * Answers from SQL which blobs a slow storage has, and remembers when each was last used: FindMissing does not touch the
 * storage. Several servers may share storage and index.
 *
 * A blob is in the storage before it is in the index, and out of the index before it is out of the storage; so what the index
 * has is there. Where it is wrong all the same, because the storage has lost a blob, the read that finds out corrects it.
 * Reads go to the storage at once, and their uses are written down later, in batches.
 */
export class SqlIndexBlobStore implements BlobStore, MeasurableStore, AsyncDisposable {
  readonly index: BlobIndex;
  readonly #blobs: BlobStore;
  readonly #removals: BlobRemovals;
  readonly #uses: RecentUses;
  readonly #lookUps: StatementBatch<Digest, Knowledge>;
  readonly #records: StatementBatch<Digest, ReadonlySet<string>>;
  readonly #outages: OutageLog;
  readonly #fallsBackOnGet: boolean;
  readonly #clock: Clock;

  private constructor(blobs: BlobStore, options: SqlIndexOptions) {
    const { database, window, fallsBackOnGet = false, logger = silentLogger, clock = systemClock } = options;
    this.#outages = new OutageLog('the index of a storage', logger);
    const index = new BlobIndex(database, window);
    this.index = index;
    this.#blobs = blobs;
    this.#removals = new BlobRemovals(database, blobs);
    this.#lookUps = new StatementBatch((digests) => index.find(digests));
    this.#records = new StatementBatch((digests) => index.record(digests));
    this.#fallsBackOnGet = fallsBackOnGet;
    this.#clock = clock;
    this.#uses = new RecentUses({
      flush: async (digests) => {
        await this.#writeUses(digests);
        this.#outages.answered();
      },
      onFailure: (reason) => this.#outages.failed(StatusError.from(reason).message),
      clock,
    });
  }

  /** Makes the tables where they are missing. Throws as `migrate` does. */
  static async open(blobs: BlobStore, options: SqlIndexOptions): Promise<SqlIndexBlobStore> {
    await migrate(options.database, blobIndexSchema, options);
    return new SqlIndexBlobStore(blobs, options);
  }

  async findMissing(digests: readonly Digest[], signal?: AbortSignal): Promise<Digest[]> {
    signal?.throwIfAborted();
    const asked = new Map(digests.filter(({ isEmpty }) => !isEmpty).map((digest) => [digest.key, digest]));
    if (asked.size === 0) return [];
    const { present } = await this.index.find([...asked.values()]);
    return [...asked.values()].filter(({ key }) => !present.has(key));
  }

  async *read(digest: Digest, range?: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    try {
      const content = await begin(this.#blobs.read(digest, range, signal));
      if (!digest.isEmpty) this.#uses.note(digest);
      yield* content;
    } catch (reason) {
      if (isGone(reason)) await this.#correct(digest);
      throw reason;
    }
  }

  async write(digest: Digest, content: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (digest.isEmpty) return this.#blobs.write(digest, content, signal);
    await this.#awaitRemovals([digest], signal);
    const begunAt = this.#clock.now();
    await this.#blobs.write(digest, content, signal);
    const [outcome] = await this.#enter([digest], begunAt, signal);
    if (outcome) throw outcome;
  }

  async writeBatch(blobs: readonly Blob[], signal?: AbortSignal): Promise<readonly WriteOutcome[]> {
    signal?.throwIfAborted();
    if (blobs.length === 0) return [];
    const named = blobs.filter(({ digest }) => !digest.isEmpty).map(({ digest }) => digest);
    await this.#awaitRemovals(named, signal);
    const begunAt = this.#clock.now();
    const outcomes = await this.#blobs.writeBatch(blobs, signal);
    const stored = blobs.filter(({ digest }, position) => !outcomes[position] && !digest.isEmpty);
    const entered = await this.#enter(
      stored.map(({ digest }) => digest),
      begunAt,
      signal,
    );
    const failures = new Map(stored.map(({ digest }, position) => [digest.key, entered[position]]));
    return blobs.map(({ digest }, position) => outcomes[position] ?? failures.get(digest.key));
  }

  async delete(digests: readonly Digest[], signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await this.#removals.remove(digests.filter(({ isEmpty }) => !isEmpty));
  }

  async stats(): Promise<StoreStats> {
    return this.index.totals();
  }

  /** Writes down the uses that were noted. Calls under way should have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#uses[Symbol.asyncDispose]();
  }

  /** The reader is told that the blob is gone, whatever becomes of this. */
  async #correct(digest: Digest): Promise<void> {
    try {
      await this.index.forget([digest]);
    } catch (reason) {
      this.#outages.failed(StatusError.from(reason).message);
    }
  }

  /** What is stored while its removal is under way would be removed with it. */
  async #awaitRemovals(digests: readonly Digest[], signal?: AbortSignal): Promise<void> {
    const givesUpAt = this.#clock.now() + patienceMs;
    let waiting = digests;
    while (waiting.length > 0) {
      const { leaving } = await this.#lookUps.run(waiting);
      waiting = waiting.filter(({ key }) => leaving.has(key));
      const [first] = waiting;
      if (first && this.#clock.now() >= givesUpAt) {
        throw new StatusError(Code.Unavailable, `Blob ${String(first)} is being removed; try again in a minute`);
      }
      if (first) await this.#clock.sleep(pollMs, signal);
      signal?.throwIfAborted();
    }
  }

  /**
   * Enters what was stored. An upload that took longer than blobs are promised to stay, or met a removal, may have been
   * removed before it is entered: then the storage is asked.
   */
  async #enter(digests: readonly Digest[], begunAt: number, signal?: AbortSignal): Promise<readonly WriteOutcome[]> {
    if (digests.length === 0) return [];
    const recorded = await this.#records.run(digests);
    const wasLong = this.#clock.now() - begunAt >= leastAgeMs;
    const doubtful = wasLong ? digests : digests.filter(({ key }) => !recorded.has(key));
    if (doubtful.length === 0) return digests.map(() => undefined);
    await this.#awaitRemovals(doubtful, signal);
    const gone = await this.#blobs.findMissing(doubtful, signal);
    await this.index.forget(gone);
    const goneKeys = new Set(gone.map(({ key }) => key));
    await this.#records.run(doubtful.filter(({ key }) => !goneKeys.has(key)));
    return digests.map((digest) => (goneKeys.has(digest.key) ? removedError(digest) : undefined));
  }

  async #writeUses(digests: readonly Digest[]): Promise<void> {
    const { present, leaving } = await this.index.find(digests);
    if (!this.#fallsBackOnGet) return;
    const unknown = digests.filter(({ key }) => !present.has(key) && !leaving.has(key));
    if (unknown.length === 0) return;
    // A removal is over once its row is gone: what the storage has now, it keeps.
    const gone = new Set((await this.#blobs.findMissing(unknown)).map(({ key }) => key));
    await this.index.record(unknown.filter(({ key }) => !gone.has(key)));
  }
}

/** The storage has lost the blob, or had it damaged. */
function isGone(reason: unknown): boolean {
  return reason instanceof BlobNotFoundError || (reason instanceof StatusError && reason.code === Code.DataLoss);
}

function removedError(digest: Digest): StatusError {
  return new StatusError(Code.Unavailable, `Blob ${String(digest)} was removed while it was uploaded: upload it again`);
}
