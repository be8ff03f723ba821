import { LRUCache } from 'lru-cache';
import { ChunkPool } from '../../common/chunk-pool.js';
import { Code } from '../../common/code.js';
import { type Logger, silentLogger } from '../../common/logger.js';
import { SharedTasks } from '../../common/shared-tasks.js';
import { StatusError } from '../../common/status-error.js';
import { collectBytes } from '../../common/async-iteration.js';
import type { Digest } from '../../digest/digest.js';
import { isHashAt } from '../../digest/hash-text.js';
import type { BlobPresence } from '../blob-presence.js';
import { type Blob, BlobNotFoundError, type BlobStore, type ByteRange, type WriteOutcome } from '../blob-store.js';
import { checkSize, sizeMismatch } from '../check-size.js';
import { resolveRange } from '../resolve-range.js';
import { isMeasurable, type MeasurableStore } from '../store-stats.js';

/** Blobs up to this size are checked before their first byte goes out. */
const bufferedBytes = 1024 * 1024;

/** What readers may hold of blobs that were checked in memory; beyond it such a blob is read twice instead (U4). */
const maxHeldBytes = 64 * 1024 * 1024;

/** What the passes over blobs that are only checked take together. */
const passBytes = 64 * 1024 * 1024;

/** So many blobs are remembered as checked; one that falls out is checked once more. */
const maxRemembered = 100_000;

/**
 * Lets only content through that hashes to its digest (D2), in both directions, and adds the empty blob, which is always
 * there (DIG-6).
 *
 * A write fails before its store could commit it. A read is checked until the blob has been found right once in the life
 * of the process: up to 1 MiB before the first byte, so that a damaged blob is just not found; larger ones while they
 * stream, the last chunk being held back until the hash is known, so that damage ends the read with DATA_LOSS and
 * nobody ever gets all of the bytes. A part of a larger blob is read only after a first pass over the whole, for a part
 * does not hash to anything; all who want one meanwhile wait for the same pass. A blob that is found damaged is put aside,
 * where the store can do so, and else deleted.
 */
export class VerifyingBlobStore implements BlobStore {
  readonly stats: MeasurableStore['stats'] | undefined;
  readonly #inner: BlobStore;
  readonly #logger: Logger;
  readonly #verified = new LRUCache<string, true>({ max: maxRemembered });
  readonly #passes = new SharedTasks();
  readonly #passMemory = new ChunkPool({ budgetBytes: passBytes, maxIdleBytes: 0 });
  #heldBytes = 0;

  constructor(inner: BlobStore, logger: Logger = silentLogger) {
    this.stats = isMeasurable(inner) ? (signal) => inner.stats(signal) : undefined;
    this.#inner = inner;
    this.#logger = logger;
  }

  get presence(): BlobPresence | undefined {
    const { presence } = this.#inner;
    return presence && withEmptyBlob(presence);
  }

  findMissing(digests: readonly Digest[], signal?: AbortSignal): Promise<Digest[]> {
    return this.#inner.findMissing(
      digests.filter((digest) => !digest.isEmpty),
      signal,
    );
  }

  async *read(digest: Digest, range?: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const { length } = resolveRange(digest, range);
    if (digest.isEmpty) return;
    const isSmall = digest.sizeBytes <= bufferedBytes;
    if (this.#verified.has(digest.key)) {
      yield* this.#inner.read(digest, range, signal);
    } else if (isSmall && this.#heldBytes + digest.sizeBytes <= maxHeldBytes) {
      yield* this.#readBuffered(digest, range, signal);
    } else if (!isSmall && length === digest.sizeBytes) {
      yield* this.#streamVerified(digest, range, signal);
    } else {
      // Many may want parts of it at a time, and each of them the whole to be checked.
      await this.#passes.join(digest.key, (over) => this.#check(digest, over), signal);
      yield* this.#inner.read(digest, range, signal);
    }
  }

  async write(digest: Digest, content: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
    if (digest.isEmpty) return;
    await this.#inner.write(digest, checked(digest, content, signal), signal);
    this.#verified.delete(digest.key);
  }

  async writeBatch(blobs: readonly Blob[], signal?: AbortSignal): Promise<readonly WriteOutcome[]> {
    const faults = blobs.map(faultOf);
    const good = blobs.filter(({ digest }, index) => !faults[index] && !digest.isEmpty);
    const written = good.length > 0 ? await this.#inner.writeBatch(good, signal) : [];
    if (this.#verified.size > 0) for (const { digest } of good) this.#verified.delete(digest.key);
    if (good.length === blobs.length) return written;
    const outcomes = written.values();
    return blobs.map(({ digest }, index) => faults[index] ?? (digest.isEmpty ? undefined : outcomes.next().value));
  }

  async delete(digests: readonly Digest[], signal?: AbortSignal): Promise<void> {
    await this.#inner.delete(digests, signal);
    for (const digest of digests) this.#verified.delete(digest.key);
  }

  async *#readBuffered(digest: Digest, range?: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const { offset, length } = resolveRange(digest, range);
    this.#heldBytes += digest.sizeBytes;
    try {
      const data = await orNotFound(digest, collectBytes(this.#streamVerified(digest, {}, signal)));
      if (length > 0) yield data.subarray(offset, offset + length);
    } finally {
      this.#heldBytes -= digest.sizeBytes;
    }
  }

  /** Goes over all of a blob. */
  async #check(digest: Digest, signal: AbortSignal): Promise<void> {
    const chunks = this.#passMemory.open();
    try {
      const pass = forEach(this.#streamVerified(digest, { chunks }, signal), (chunk) => chunks.giveBack(chunk));
      await (digest.sizeBytes <= bufferedBytes ? orNotFound(digest, pass) : pass);
    } finally {
      chunks.close();
    }
  }

  /** All of the blob; of `range` only where its memory comes from. */
  async *#streamVerified(digest: Digest, { chunks }: ByteRange = {}, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const hasher = digest.function.createHasher();
    let sizeBytes = 0;
    let last: Uint8Array | undefined;
    for await (const chunk of this.#inner.read(digest, { chunks }, signal)) {
      if (last) yield last;
      hasher.update(chunk);
      sizeBytes += chunk.length;
      last = chunk;
      if (sizeBytes > digest.sizeBytes) break;
    }
    if (sizeBytes !== digest.sizeBytes || hasher.digest() !== digest.hash) {
      await this.#putAside(digest);
      throw new StatusError(
        Code.DataLoss,
        `Blob ${String(digest)} was damaged in the store and is gone; upload it again`,
      );
    }
    this.#verified.set(digest.key, true);
    if (last) yield last;
  }

  async #putAside(digest: Digest): Promise<void> {
    this.#logger.error({ digest }, 'A stored blob does not hash to its digest and is put aside');
    if (this.#inner.quarantine) await this.#inner.quarantine(digest);
    else await this.#inner.delete([digest]);
  }
}

/** The empty blob is there, whatever the store says (DIG-6). */
function withEmptyBlob(presence: BlobPresence): BlobPresence {
  return {
    touch: (fn, text, start, sizeBytes) =>
      sizeBytes === 0 ? isHashAt(fn.emptyHash, text, start) : presence.touch(fn, text, start, sizeBytes),
  };
}

/** Passes content on, and instead of ending throws INVALID_ARGUMENT if it was not the blob. */
async function* checked(
  digest: Digest,
  content: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): AsyncIterable<Uint8Array> {
  const hasher = digest.function.createHasher();
  for await (const chunk of checkSize(digest, content, signal)) {
    hasher.update(chunk);
    yield chunk;
  }
  const hash = hasher.digest();
  if (hash !== digest.hash) throw hashMismatch(digest, hash);
}

function faultOf({ digest, data }: Blob): StatusError | undefined {
  if (data.length !== digest.sizeBytes) return sizeMismatch(digest, data.length);
  const hash = digest.function.hash(data);
  return hash === digest.hash ? undefined : hashMismatch(digest, hash);
}

function hashMismatch(digest: Digest, found: string): StatusError {
  return new StatusError(Code.InvalidArgument, `Blob ${String(digest)} has content that hashes to ${found}`);
}

async function forEach(content: AsyncIterable<Uint8Array>, task: (chunk: Uint8Array) => void): Promise<void> {
  for await (const chunk of content) task(chunk);
}

/** A blob that was found damaged before its first byte went out is just not there. */
async function orNotFound<T>(digest: Digest, reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (reason) {
    if (reason instanceof StatusError && reason.code === Code.DataLoss) {
      throw new BlobNotFoundError(digest, { cause: reason });
    }
    throw reason;
  }
}
