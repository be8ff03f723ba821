import type { Digest } from '../digest/digest.js';

/** A blob that was found by going through a storage. */
export interface FoundBlob {
  readonly digest: Digest;
  /** When it was stored last, in milliseconds since the epoch, as far as the storage knows. */
  readonly modifiedAtMs: number;
}
