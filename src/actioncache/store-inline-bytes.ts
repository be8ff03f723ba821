import type { BlobStore } from '../blobstore/blob-store.js';
import type { DigestFunction } from '../digest/digest-function.js';
import type { reapi } from '../proto/index.js';
import { detachInlineBytes } from './action-result.js';

/** Where the bytes go, and by which function they are known there. */
export interface StoreInlineBytesOptions {
  readonly blobs: BlobStore;
  readonly fn: DigestFunction;
}

/**
 * Returns `result` with digests in place of bytes, which are in `blobs` when this resolves (AC-3): clients get them only
 * if they ask. Throws INVALID_ARGUMENT if bytes and digest disagree.
 */
export async function storeInlineBytes(
  result: reapi.ActionResult.$Properties,
  { blobs, fn }: StoreInlineBytesOptions,
  signal?: AbortSignal,
): Promise<reapi.ActionResult> {
  const detached = detachInlineBytes(result, fn);
  const outcomes = detached.blobs.length > 0 ? await blobs.writeBatch(detached.blobs, signal) : [];
  const failure = outcomes.find((outcome) => outcome !== undefined);
  if (failure) throw failure.wrap('Storing the inline bytes of an action result');
  return detached.result;
}
