import type { ChunkSource } from '../common/chunk-pool.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { Digest } from '../digest/digest.js';
import type { BlobPresence } from './blob-presence.js';

/** A part of a blob. Both ends are within the blob, or the read throws OUT_OF_RANGE. */
export interface ByteRange {
  /** First byte. @defaultValue 0 */
  readonly offset?: number;
  /** How many bytes at the most. @defaultValue to the end */
  readonly limit?: number;
  /**
   * Where memory for chunks may be taken from: the reader gives it back for others to use. A store that has chunks by itself
   * need not take any, and one that shares a chunk with somebody else must not.
   */
  readonly chunks?: ChunkSource | undefined;
}

/** A small blob in memory. */
export interface Blob {
  readonly digest: Digest;
  readonly data: Uint8Array;
}

/** How one write of a batch ended: `undefined` when the blob is stored. */
export type WriteOutcome = StatusError | undefined;

/**
 * Where blobs live. Implementations need not verify content: a store that clients reach stands behind a
 * `VerifyingBlobStore`, whose checked stream fails before the write could be committed.
 */
export interface BlobStore {
  /** Offered while a store knows in memory what it holds: answers as {@link findMissing} does, one blob at a time. */
  readonly presence?: BlobPresence | undefined;

  /** Returns the subset of `digests` that this store does not hold, each once. Refreshes the lifetime of the others. */
  findMissing(digests: readonly Digest[], signal?: AbortSignal): Promise<Digest[]>;

  /** Streams a blob. Throws {@link BlobNotFoundError} on the first pull if it is absent. */
  read(digest: Digest, range?: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array>;

  /**
   * Stores a blob. Nothing is visible to readers until the promise resolves, and nothing stays behind when it rejects.
   * A blob that is there already may leave `content` unread. Concurrent writers of one digest do not disturb each other.
   */
  write(digest: Digest, content: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void>;

  /** Stores many small blobs at once; one outcome each, in order. Durable, where the store is, when it resolves. */
  writeBatch(blobs: readonly Blob[], signal?: AbortSignal): Promise<readonly WriteOutcome[]>;

  /** Forgets blobs; absent ones are ignored. */
  delete(digests: readonly Digest[], signal?: AbortSignal): Promise<void>;

  /**
   * Offered by a store that can put a damaged blob aside, where people can look at it: from now on it is missing, also after
   * a restart. An absent one is ignored, and one that is not damaged is left alone.
   */
  quarantine?(digest: Digest, signal?: AbortSignal): Promise<void>;
}

/** A blob that was asked for is not in the store. */
export class BlobNotFoundError extends StatusError {
  readonly digest: Digest;

  constructor(digest: Digest, options?: ErrorOptions) {
    super(Code.NotFound, `Blob ${String(digest)} is not in the store`, options);
    this.digest = digest;
  }
}
