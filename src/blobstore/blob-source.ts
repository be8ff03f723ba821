import type { Digest } from '../digest/digest.js';

/** A blob that could be uploaded: what its bytes are, or where to find them. */
export type BlobSource =
  { readonly digest: Digest; readonly data: Uint8Array } | { readonly digest: Digest; readonly path: string };
