import { createReadStream } from 'node:fs';
import type { Digest } from '../digest/digest.js';
import { bytesOnce } from '../common/async-iteration.js';

/** A blob that could be uploaded: what its bytes are, or where to find them. */
export type BlobSource =
  { readonly digest: Digest; readonly data: Uint8Array } | { readonly digest: Digest; readonly path: string };

/** Opens the bytes of `source`; each call reads from the start, so that a write can be repeated. */
export function openBlobSource(source: BlobSource): AsyncIterable<Uint8Array> {
  return 'data' in source ? bytesOnce(source.data) : createReadStream(source.path, { highWaterMark: 1024 * 1024 });
}
