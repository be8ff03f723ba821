import type { FileHandle } from 'node:fs/promises';
import { forEachConcurrently } from '../../common/async-iteration.js';
import { type Clock, systemClock } from '../../common/clock.js';
import { KeyedMutex } from '../../common/keyed-mutex.js';
import { type Logger, silentLogger } from '../../common/logger.js';
import { errnoOf } from '../../common/status-error.js';
import { storageError } from '../../common/storage-error.js';
import { StoreFolder } from '../../common/store-folder.js';
import type { Digest } from '../../digest/digest.js';
import { type Blob, BlobNotFoundError, type BlobStore, type ByteRange, type WriteOutcome } from '../blob-store.js';
import { resolveRange } from '../resolve-range.js';
import { BlobFiles } from '../disk/blob-files.js';
import { BlobIndex } from './blob-index.js';
import { DiskBlobWriter } from './disk-blob-writer.js';
import { DiskBudget } from '../disk/disk-budget.js';
import { freeBytesAt } from '../disk/free-space.js';
import { readFileRange } from '../disk/read-file.js';

/** What {@link DiskBlobStore.open} is told. */
export interface DiskBlobStoreOptions {
  /** The folder, made if it is missing. One process at a time may have it open. */
  readonly path: string;
  /** How many bytes of content are kept. @defaultValue half of what the disk had free when the folder was empty */
  readonly maxBytes?: number;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

/** What a {@link DiskBlobStore} is made of once its folder has been read. */
interface OpenedFolder {
  readonly folder: StoreFolder;
  readonly files: BlobFiles;
  readonly index: BlobIndex;
}

const format = 'bgd-blobs 1';

/** How long a blob stays after findMissing has reported it as present (D4). */
const promiseMs = 30 * 60_000;

/**
 * Keeps each blob as a file. A write is acknowledged only when file and name are on the disk (D1). When the budget is
 * used up, blobs go that were not used for the longest time, but never one that is being read or that findMissing has
 * reported as present in the last 30 minutes (D4). Which blobs there are is known in memory, and after a start from the
 * names of the files; what their bytes are is for a verifying decorator to check.
 */
export class DiskBlobStore implements BlobStore, AsyncDisposable {
  readonly #folder: StoreFolder;
  readonly #files: BlobFiles;
  readonly #index: BlobIndex;
  readonly #changes = new KeyedMutex();
  readonly #budget: DiskBudget;
  readonly #writer: DiskBlobWriter;
  readonly #clock: Clock;
  readonly #logger: Logger;

  private constructor({ folder, files, index }: OpenedFolder, options: Required<DiskBlobStoreOptions>) {
    const { path, maxBytes, clock, logger } = options;
    this.#folder = folder;
    this.#files = files;
    this.#index = index;
    this.#clock = clock;
    this.#logger = logger;
    this.#budget = new DiskBudget({ path, maxBytes, index, clock, evict: (key) => this.#evict(key) });
    this.#writer = new DiskBlobWriter({ files, index, budget: this.#budget, changes: this.#changes, logger });
  }

  /** Opens the folder and learns which blobs it holds. Throws FAILED_PRECONDITION if another process has it open. */
  static async open(options: DiskBlobStoreOptions): Promise<DiskBlobStore> {
    const { path, clock = systemClock, logger = silentLogger } = options;
    const folder = await StoreFolder.open({ path, format });
    try {
      const files = new BlobFiles(folder);
      const index = new BlobIndex();
      for await (const { key, sizeBytes } of files.list()) index.add(key, sizeBytes);
      const maxBytes = options.maxBytes ?? Math.floor((index.usedBytes + (await freeBytesAt(path))) / 2);
      const store = new DiskBlobStore({ folder, files, index }, { path, maxBytes, clock, logger });
      store.#budget.trim();
      return store;
    } catch (reason) {
      await folder[Symbol.asyncDispose]();
      throw storageError(reason, `Reading the folder ${path}`);
    }
  }

  /** How many bytes of content are kept at the most. */
  get maxBytes(): number {
    return this.#budget.maxBytes;
  }

  async findMissing(digests: readonly Digest[], signal?: AbortSignal): Promise<Digest[]> {
    signal?.throwIfAborted();
    const promisedUntilMs = this.#clock.now() + promiseMs;
    const missing = new Map<string, Digest>();
    for (const digest of digests) {
      const { key } = digest;
      if (!this.#index.touch(key, promisedUntilMs)) missing.set(key, digest);
    }
    return [...missing.values()];
  }

  async *read(digest: Digest, range?: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const resolved = resolveRange(digest, range);
    signal?.throwIfAborted();
    if (!this.#index.touch(digest.key)) throw new BlobNotFoundError(digest);
    const unpin = this.#index.pin(digest.key);
    try {
      const file = await this.#openWhole(digest);
      try {
        yield* readFileRange(file, resolved, signal);
      } finally {
        await file.close();
      }
    } catch (reason) {
      throw storageError(reason, `Reading blob ${String(digest)}`);
    } finally {
      unpin();
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
    await forEachConcurrently(digests, 16, ({ key }) =>
      this.#changes.exclusive(key, async () => {
        if (this.#index.remove(key)) await this.#files.remove(key);
      }),
    );
  }

  /** Unlocks the folder. Calls under way should have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#budget.idle();
    await this.#folder[Symbol.asyncDispose]();
  }

  /** Opens a blob's file if it has the right size; otherwise the blob is lost, and forgotten. */
  async #openWhole(digest: Digest): Promise<FileHandle> {
    let file: FileHandle | undefined;
    try {
      file = await this.#files.open(digest.key);
      if ((await file.stat()).size === digest.sizeBytes) return file;
    } catch (reason) {
      if (errnoOf(reason) !== 'ENOENT') throw reason;
    }
    await file?.close();
    await this.#forgetIfDamaged(digest);
    throw new BlobNotFoundError(digest);
  }

  /** Looks again while nobody can replace the file. */
  async #forgetIfDamaged(digest: Digest): Promise<void> {
    const { key } = digest;
    await this.#changes.exclusive(key, async () => {
      const sizeBytes = await this.#files.sizeOf(key);
      if (sizeBytes === digest.sizeBytes) return;
      this.#index.remove(key);
      if (sizeBytes !== undefined) await this.#files.quarantine(key);
      this.#logger.error(
        { digest, foundBytes: sizeBytes ?? null },
        'A stored blob was lost: its file is damaged or gone',
      );
    });
  }

  async #evict(key: string): Promise<void> {
    await this.#changes.exclusive(key, async () => {
      if (!this.#index.isEvictable(key, this.#clock.now())) return;
      this.#index.remove(key);
      try {
        await this.#files.remove(key);
      } catch (reason) {
        this.#logger.warn({ err: reason, key }, 'An evicted blob could not be removed from the disk');
      }
    });
  }
}
