import type { BlobStore } from '../blobstore/blob-store.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { type Content, findMissingContent } from '../merkle/find-missing-content.js';

/** Says why `content` is not whole, or nothing if it is; then all of it was asked for just now, and so is kept. */
export async function faultOfContent(
  blobs: BlobStore,
  content: Content,
  signal?: AbortSignal,
): Promise<string | undefined> {
  try {
    const missing = await findMissingContent(blobs, content, signal);
    return missing[0] && `${missing.length} blobs are missing from the CAS, such as ${String(missing[0])}`;
  } catch (reason) {
    // Trouble with the store says nothing about the content.
    if (reason instanceof StatusError && reason.code === Code.InvalidArgument) return reason.message;
    throw reason;
  }
}

/** Throws FAILED_PRECONDITION if blobs of `content` are missing, INVALID_ARGUMENT if what should be a Directory is none. */
export async function assertWhole(blobs: BlobStore, content: Content, signal?: AbortSignal): Promise<void> {
  const [first, ...others] = await findMissingContent(blobs, content, signal);
  if (!first) return;
  const more = others.length === 0 ? '' : ` and ${others.length} more`;
  throw new StatusError(
    Code.FailedPrecondition,
    `What is to be named is not in the CAS: ${String(first)}${more}; upload it first`,
  );
}
