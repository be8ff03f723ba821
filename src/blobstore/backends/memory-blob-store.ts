import { LRUCache } from 'lru-cache';
import { Code } from '../../common/code.js';
import { StatusError } from '../../common/status-error.js';
import type { Digest } from '../../digest/digest.js';
import type { BlobPresence } from '../blob-presence.js';
import { type Blob, BlobNotFoundError, type BlobStore, type ByteRange, type WriteOutcome } from '../blob-store.js';
import { checkSize, sizeMismatch } from '../check-size.js';
import { resolveRange } from '../resolve-range.js';
import type { MeasurableStore, StoreStats } from '../store-stats.js';

/** What {@link MemoryBlobStore} is told. */
export interface MemoryBlobStoreOptions {
  /** How many bytes of content are kept. @defaultValue 1 GiB */
  readonly maxBytes?: number;
}

/**
 * Keeps blobs in memory, and the most recently used ones when they outgrow its budget. It makes no promise to keep what
 * findMissing reported as present, so it suits tests and caches in front of a durable store.
 */
export class MemoryBlobStore implements BlobStore, MeasurableStore {
  readonly presence: BlobPresence = {
    touch: (fn, text, start, sizeBytes) => {
      const hash = Buffer.from(text.buffer, text.byteOffset + start, fn.hexLength).toString('latin1');
      return this.#blobs.get(`${fn.segment}/${hash}-${sizeBytes}`) !== undefined; // As Digest.key is made.
    },
  };
  readonly #maxBytes: number;
  readonly #blobs: LRUCache<string, Buffer>;
  #incomingBytes = 0;

  constructor({ maxBytes = 1024 ** 3 }: MemoryBlobStoreOptions = {}) {
    this.#maxBytes = maxBytes;
    // The cache wants positive sizes, so the empty blob counts as one byte.
    this.#blobs = new LRUCache({ maxSize: maxBytes, sizeCalculation: (data) => Math.max(1, data.length) });
  }

  async findMissing(digests: readonly Digest[], signal?: AbortSignal): Promise<Digest[]> {
    signal?.throwIfAborted();
    const missing = new Map<string, Digest>();
    for (const digest of digests) if (!this.#blobs.get(digest.key)) missing.set(digest.key, digest);
    return [...missing.values()];
  }

  async *read(digest: Digest, range?: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const { offset, length } = resolveRange(digest, range);
    signal?.throwIfAborted();
    const data = this.#blobs.get(digest.key);
    if (!data) throw new BlobNotFoundError(digest);
    if (length > 0) yield data.subarray(offset, offset + length);
  }

  async write(digest: Digest, content: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.#blobs.get(digest.key)) return;
    this.#checkBudget(digest);
    const chunks: Uint8Array[] = [];
    let sizeBytes = 0;
    try {
      for await (const chunk of checkSize(digest, content, signal)) {
        sizeBytes += chunk.length;
        this.#incomingBytes += chunk.length;
        this.#checkIncoming(digest);
        chunks.push(chunk);
      }
    } finally {
      this.#incomingBytes -= sizeBytes;
    }
    this.#blobs.set(digest.key, Buffer.concat(chunks, digest.sizeBytes));
  }

  async writeBatch(blobs: readonly Blob[], signal?: AbortSignal): Promise<readonly WriteOutcome[]> {
    signal?.throwIfAborted();
    return blobs.map(({ digest, data }) => {
      try {
        this.#checkBudget(digest);
        if (data.length !== digest.sizeBytes) throw sizeMismatch(digest, data.length);
        // A copy: the bytes are often a small window on a large message, which they would keep alive.
        this.#blobs.set(digest.key, Buffer.from(data));
        return undefined;
      } catch (reason) {
        return StatusError.from(reason);
      }
    });
  }

  async delete(digests: readonly Digest[], signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    for (const digest of digests) this.#blobs.delete(digest.key);
  }

  async stats(): Promise<StoreStats> {
    return { blobs: this.#blobs.size, sizeBytes: this.#blobs.calculatedSize, maxBytes: this.#maxBytes };
  }

  /** What is on its way is in memory, too: as much of it is taken as the store keeps (U4). */
  #checkIncoming(digest: Digest): void {
    if (this.#incomingBytes <= this.#maxBytes) return;
    throw new StatusError(
      Code.ResourceExhausted,
      `Blob ${String(digest)} and others on their way have more than the ${this.#maxBytes} bytes that the store keeps; try again later`,
    );
  }

  #checkBudget(digest: Digest): void {
    if (digest.sizeBytes <= this.#maxBytes) return;
    throw new StatusError(
      Code.ResourceExhausted,
      `Blob ${String(digest)} is larger than the whole store, which keeps ${this.#maxBytes} bytes`,
    );
  }
}
