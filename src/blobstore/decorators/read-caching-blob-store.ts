import { begin } from '../../common/begin.js';
import { Code } from '../../common/code.js';
import { type Logger, silentLogger } from '../../common/logger.js';
import { OutageLog } from '../../common/outage-log.js';
import { StatusError } from '../../common/status-error.js';
import { TrailingCopy } from '../../common/trailing-copy.js';
import type { Digest } from '../../digest/digest.js';
import type { BlobPresence } from '../blob-presence.js';
import type { Blob, BlobStore, ByteRange, WriteOutcome } from '../blob-store.js';
import { resolveRange } from '../resolve-range.js';

/** So many streams at a time are brought into the cache, each with up to 2 MiB in memory (U4); others pass it by. */
const maxCopies = 64;

/**
 * Serves reads from a fast cache, filling it on the way from a durable store, which alone says what exists and whose word
 * alone acknowledges a write (D1). The cache can be empty, full, slow or gone: then it is just not used.
 *
 * A read of a part does not fill the cache. What goes into the cache is never there sooner than in the durable store.
 */
export class ReadCachingBlobStore implements BlobStore {
  readonly #cache: BlobStore;
  readonly #durable: BlobStore;
  readonly #outages: OutageLog;
  /** Blobs on their way into the cache: other readers of them need not bring them there too. */
  readonly #filling = new Set<string>();
  #copies = 0;

  constructor(cache: BlobStore, durable: BlobStore, logger: Logger = silentLogger) {
    this.#cache = cache;
    this.#durable = durable;
    this.#outages = new OutageLog('the cache in front of a storage', logger);
  }

  get presence(): BlobPresence | undefined {
    return this.#durable.presence;
  }

  findMissing(digests: readonly Digest[], signal?: AbortSignal): Promise<Digest[]> {
    return this.#durable.findMissing(digests, signal);
  }

  async *read(digest: Digest, range?: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const { length } = resolveRange(digest, range);
    const cached = await this.#readCache(digest, range, signal);
    const isWhole = length === digest.sizeBytes;
    // What is whole may be shared with the cache, so it is not in the reader's memory.
    const source = isWhole ? { ...range, chunks: undefined } : range;
    // Begun first: nothing is begun in the cache for a blob that is nowhere.
    const content = cached ?? (await begin(this.#durable.read(digest, source, signal)));
    const canFill = isWhole && this.#copies < maxCopies && !this.#filling.has(digest.key);
    yield* !cached && canFill ? this.#passFilling(digest, content, signal) : content;
  }

  async write(digest: Digest, content: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    if (this.#copies >= maxCopies) return this.#durable.write(digest, content, signal);
    const copy = this.#copyOf(digest, signal);
    let isStored = false;
    try {
      await this.#durable.write(digest, copy.passing(content), signal);
      isStored = true;
    } finally {
      await this.#end(copy, isStored);
    }
  }

  async writeBatch(blobs: readonly Blob[], signal?: AbortSignal): Promise<readonly WriteOutcome[]> {
    const outcomes = await this.#durable.writeBatch(blobs, signal);
    const stored = blobs.filter((_, index) => !outcomes[index]);
    try {
      for (const outcome of await this.#cache.writeBatch(stored, signal)) if (outcome) this.#noteFailure(outcome);
    } catch (reason) {
      this.#noteFailure(reason);
    }
    return outcomes;
  }

  /** Out of the cache first: what the durable store has forgotten must not come back from there. */
  async delete(digests: readonly Digest[], signal?: AbortSignal): Promise<void> {
    await this.#cache.delete(digests, signal);
    await this.#durable.delete(digests, signal);
  }

  async #readCache(
    digest: Digest,
    range?: ByteRange,
    signal?: AbortSignal,
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    try {
      const content = await begin(this.#cache.read(digest, range, signal));
      this.#outages.answered();
      return content;
    } catch (reason) {
      this.#noteFailure(reason);
      signal?.throwIfAborted();
      return undefined;
    }
  }

  async *#passFilling(
    digest: Digest,
    content: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): AsyncIterable<Uint8Array> {
    this.#filling.add(digest.key);
    const copy = this.#copyOf(digest, signal);
    try {
      yield* copy.passing(content);
    } finally {
      await this.#end(copy, true);
      this.#filling.delete(digest.key);
    }
  }

  #copyOf(digest: Digest, signal?: AbortSignal): TrailingCopy {
    this.#copies += 1;
    return new TrailingCopy((content) => this.#cache.write(digest, content, signal), {
      onFailure: (reason) => this.#noteFailure(reason),
    });
  }

  async #end(copy: TrailingCopy, isGood: boolean): Promise<void> {
    await copy.end(isGood);
    this.#copies -= 1;
  }

  #noteFailure(reason: unknown): void {
    const { code, message } = StatusError.from(reason);
    if (!ordinary.has(code)) this.#outages.failed(message);
  }
}

/** Absent, larger than the whole cache, not what its digest says, or no longer wanted: no sign of trouble. */
const ordinary = new Set<Code>([Code.NotFound, Code.ResourceExhausted, Code.InvalidArgument, Code.Cancelled]);
