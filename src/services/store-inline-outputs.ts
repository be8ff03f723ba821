import { detachInlineBytes } from '../actioncache/action-result.js';
import type { BlobStore } from '../blobstore/blob-store.js';
import type { DigestFunction } from '../digest/digest-function.js';
import type { reapi } from '../proto/index.js';

/**
 * Returns `result` with digests in place of bytes, which go to `blobs` first (AC-3): clients get them only if they ask.
 * Throws INVALID_ARGUMENT if bytes and digest disagree.
 */
export async function storeInlineOutputs(
  blobs: BlobStore,
  result: reapi.ActionResult.$Properties,
  fn: DigestFunction,
): Promise<reapi.ActionResult.$Properties> {
  const detached = detachInlineBytes(result, fn);
  if (detached.blobs.length === 0) return result;
  for (const failure of await blobs.writeBatch(detached.blobs)) if (failure) throw failure;
  return detached.result;
}
