import type { Digest } from '../digest/digest.js';
import type { BlobStore } from './blob-store.js';

/** A store whose blobs can be gone through one by one, to look after them while it serves nobody else. */
export interface ListableBlobStore extends BlobStore {
  /** How many blobs {@link list} will name, as far as that is known before. */
  readonly count?: number;

  /**
   * The same blobs, to be looked at without leaving a trace: none counts as used or promised, and damaged ones stay where
   * they are. A read of one whose bytes are gone or cut off is DATA_LOSS. Writes are FAILED_PRECONDITION.
   */
  readonly untouched: BlobStore;

  /**
   * Names every blob once, in any order, while nothing else changes the store; a blob that the loop has put aside or
   * deleted meanwhile may be named or not. Changes nothing itself, not even when blobs were last used.
   */
  list(signal?: AbortSignal): AsyncIterable<Digest>;

  /**
   * Puts a damaged blob aside, where people can look at it: from now on it is missing, also after a restart. An absent one
   * is ignored.
   */
  quarantine(digest: Digest, signal?: AbortSignal): Promise<void>;
}
