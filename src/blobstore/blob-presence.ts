import type { DigestFunction } from '../digest/digest-function.js';

/**
 * What a store knows in memory of the blobs it holds. `FindMissingBlobs` asks it while it walks the bytes of a request, so
 * that a thousand digests cost no thousand objects.
 */
export interface BlobPresence {
  /**
   * Whether a blob is there; if it is, its lifetime is refreshed as by `BlobStore.findMissing`. The hash stands in `text`
   * from `start` on, as `fn.hexLength` lower-case hexadecimal characters in ASCII; of anything else no blob is there.
   */
  touch(fn: DigestFunction, text: Uint8Array, start: number, sizeBytes: number): boolean;
}
