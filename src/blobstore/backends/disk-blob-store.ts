import { join } from 'node:path';
import { forEachConcurrently } from '../../common/async-iteration.js';
import { type Clock, systemClock } from '../../common/clock.js';
import { KeyedMutex } from '../../common/keyed-mutex.js';
import { Lifecycle } from '../../common/lifecycle.js';
import { type Logger, silentLogger } from '../../common/logger.js';
import { storageError } from '../../common/storage-error.js';
import { StoreFolder } from '../../common/store-folder.js';
import type { Digest } from '../../digest/digest.js';
import type { BlobPresence } from '../blob-presence.js';
import type { Blob, BlobStore, ByteRange, WriteOutcome } from '../blob-store.js';
import { BlobFiles } from '../disk/blob-files.js';
import { BlobIndex } from '../disk/blob-index.js';
import { BlobReader } from '../disk/blob-reader.js';
import { BlobRemover } from '../disk/blob-remover.js';
import { digestAt } from '../disk/blob-slot.js';
import { DiskBlobWriter } from '../disk/disk-blob-writer.js';
import { DiskBudget, type DiskBudgetOptions } from '../disk/disk-budget.js';
import { Evictor } from '../disk/evictor.js';
import { FileListing } from '../disk/file-listing.js';
import { freeBytesAt, halfOfFreeBytesAt } from '../disk/free-space.js';
import { LastUses } from '../disk/last-uses.js';
import { listPacks } from '../disk/list-packs.js';
import { Quarantine } from '../disk/quarantine.js';
import { UntouchedBlobs } from '../disk/untouched-blobs.js';
import type { ListableBlobStore } from '../listable-blob-store.js';
import { PackFolder } from '../packs/pack-folder.js';
import { resolveRange } from '../resolve-range.js';
import type { MeasurableStore, StoreStats } from '../store-stats.js';

/** What {@link DiskBlobStore.open} is told. */
export interface DiskBlobStoreOptions {
  /** The folder, made if it is missing. One process at a time may have it open. */
  readonly path: string;
  /** How many bytes blobs may take. @defaultValue half of what the disk had free when the folder was empty */
  readonly maxBytes?: number;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

const format = 'bgd-blobs 2';

/** Each blob was a file of its own then; they are read as they are. */
const olderFormats = ['bgd-blobs 1'];

/** Space comes back by whole segments, so there must be many of them. */
const minSegments = 64;
const maxSegmentBytes = 64 * 1024 * 1024;

/** What a {@link DiskBlobStore} is made of. */
interface Parts {
  readonly files: BlobFiles;
  readonly packs: PackFolder;
  readonly index: BlobIndex;
  readonly listing: FileListing;
  readonly changes: KeyedMutex;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Keeps blobs of up to 64 KiB together in packs, and each larger one as a file. A write is acknowledged only when it is on
 * the disk (D1). When the budget is used up, blobs go that were not used for a long time, but never one that is being
 * read or that findMissing has reported as present in the last 30 minutes (D4). Which blobs there are is known in memory; what
 * their bytes are is for a verifying decorator to check.
 */
export class DiskBlobStore implements ListableBlobStore, MeasurableStore, AsyncDisposable {
  readonly untouched: BlobStore;
  readonly #lifecycle: Lifecycle;
  readonly #parts: Parts;
  readonly #budget: DiskBudget;
  readonly #evictor: Evictor;
  readonly #writer: DiskBlobWriter;
  readonly #remover: BlobRemover;
  readonly #reader: BlobReader;
  readonly #presence: BlobPresence;

  private constructor(parts: Parts, budget: Omit<DiskBudgetOptions, 'evict'>, lifecycle: Lifecycle) {
    this.#lifecycle = lifecycle;
    this.#parts = parts;
    this.#evictor = new Evictor(parts);
    this.#budget = new DiskBudget({ ...budget, evict: (excess) => this.#evictor.evict(excess) });
    this.#writer = new DiskBlobWriter({ ...parts, budget: this.#budget });
    const quarantine = new Quarantine(join(budget.path, 'quarantine'), parts.logger);
    this.#remover = new BlobRemover({ ...parts, quarantine });
    this.#reader = new BlobReader({ ...parts, remover: this.#remover });
    const { index } = parts;
    this.#presence = { touch: (fn, text, start, sizeBytes) => index.promiseText(fn, text, start, sizeBytes) };
    parts.listing.whenCutOff((digest) => this.#remover.quarantine(digest));
    this.untouched = new UntouchedBlobs(parts);
    void parts.listing.settled().then(() => this.#budget.trim());
  }

  /**
   * Opens the folder. The packs are known then; files are listed in the background, and looked up one by one until that is done.
   * Throws FAILED_PRECONDITION if another process has it open, or if it is not a folder of blobs.
   */
  static async open(options: DiskBlobStoreOptions): Promise<DiskBlobStore> {
    const lifecycle = new Lifecycle();
    try {
      return await DiskBlobStore.#open(options, lifecycle);
    } catch (reason) {
      await lifecycle[Symbol.asyncDispose]();
      throw storageError(reason, `Reading the folder ${options.path}`);
    }
  }

  static async #open(options: DiskBlobStoreOptions, lifecycle: Lifecycle): Promise<DiskBlobStore> {
    const { path, clock = systemClock, logger = silentLogger } = options;
    const folder = lifecycle.use(await StoreFolder.open({ path, format, olderFormats }));
    const index = new BlobIndex(clock);
    const uses = lifecycle.use(await LastUses.load({ folder, index, clock, logger }));
    const segmentBytes = Math.ceil((options.maxBytes ?? (await freeBytesAt(path))) / minSegments);
    const packs = lifecycle.use(
      await PackFolder.open({
        path: join(path, 'packs'),
        maxSegmentBytes: Math.min(maxSegmentBytes, segmentBytes),
        logger,
      }),
    );
    const files = new BlobFiles(folder);
    await Promise.all([listPacks(packs, index, logger), files.settle()]);
    const changes = new KeyedMutex();
    const listing = lifecycle.use(new FileListing({ files, index, changes, clock, logger }));
    listing.start(() => uses.restore());
    if (uses.fileBytes === undefined && options.maxBytes === undefined) await listing.settled();
    const fileBytes = (): number => Math.max(index.fileBytes, uses.fileBytes ?? 0);
    const maxBytes = options.maxBytes ?? (await halfOfFreeBytesAt(path, packs.fileBytes + fileBytes()));
    const budget = { path, maxBytes, clock, usedBytes: () => fileBytes() + packs.fileBytes };
    return new DiskBlobStore({ files, packs, index, listing, changes, clock, logger }, budget, lifecycle);
  }

  /** Not offered while the names of files are read: until then the disk has to be asked, which takes a while. */
  get presence(): BlobPresence | undefined {
    return this.#parts.listing.isComplete ? this.#presence : undefined;
  }

  /** How many bytes blobs may take. */
  get maxBytes(): number {
    return this.#budget.maxBytes;
  }

  get count(): number {
    return this.#parts.index.count;
  }

  async findMissing(digests: readonly Digest[], signal?: AbortSignal): Promise<Digest[]> {
    signal?.throwIfAborted();
    const { index, listing } = this.#parts;
    const missing = new Map<string, Digest>();
    for (const digest of digests) if (!index.promise(digest)) missing.set(digest.key, digest);
    if (missing.size > 0 && !listing.isComplete) {
      await forEachConcurrently([...missing.values()], 16, async (digest) => {
        if ((await listing.find(digest)) && index.promise(digest)) missing.delete(digest.key);
      });
    }
    return [...missing.values()];
  }

  async *read(digest: Digest, range?: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const resolved = resolveRange(digest, range);
    signal?.throwIfAborted();
    try {
      yield* this.#reader.read(digest, resolved, signal);
    } catch (reason) {
      throw storageError(reason, `Reading blob ${String(digest)}`);
    }
  }

  async write(digest: Digest, content: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await this.#writer.write(digest, content, signal);
  }

  async writeBatch(blobs: readonly Blob[], signal?: AbortSignal): Promise<readonly WriteOutcome[]> {
    signal?.throwIfAborted();
    return this.#writer.writeBatch(blobs, signal);
  }

  async delete(digests: readonly Digest[], signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await this.#remover.delete(digests);
  }

  async quarantine(digest: Digest, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    await this.#remover.quarantine(digest);
  }

  /** Waits until all files are known. */
  async *list(signal?: AbortSignal): AsyncIterable<Digest> {
    await this.#parts.listing.settled();
    for (const table of this.#parts.index.tables) {
      const { slots } = table;
      for (let slot = 0; slot < slots.end; slot += 1) {
        signal?.throwIfAborted();
        if (slots.useOf(slot) > 0) yield digestAt({ table, slot });
      }
    }
  }

  async stats(): Promise<StoreStats> {
    const { index, packs } = this.#parts;
    const packBytes = packs.fileBytes;
    return {
      blobs: index.count,
      sizeBytes: index.sizeBytes,
      maxBytes: this.maxBytes,
      figures: {
        fileBytes: index.fileBytes,
        packBytes,
        packSegments: packs.segments().length,
        indexMemoryBytes: index.memoryBytes,
        evictedBlobs: this.#evictor.evictedBlobs,
        evictedBytes: this.#evictor.evictedBytes,
        quarantinedBlobs: this.#remover.quarantinedBlobs,
      },
    };
  }

  /** Closes the folder; eviction under way ends soon. Calls under way should have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#parts.listing.stop();
    await this.#budget.idle();
    await this.#lifecycle[Symbol.asyncDispose]();
  }
}
