import { collectBytes } from '../common/async-iteration.js';
import type { Digest } from '../digest/digest.js';
import type { BlobStore } from './blob-store.js';

/** Reads a whole blob into memory; meant for messages and other small blobs. */
export function readBlob(blobs: BlobStore, digest: Digest, signal?: AbortSignal): Promise<Buffer> {
  return collectBytes(blobs.read(digest, {}, signal), digest.sizeBytes);
}
