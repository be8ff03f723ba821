import { collectBytes } from '../common/async-iteration.js';
import type { Digest } from '../digest/digest.js';
import type { BlobStore } from './blob-store.js';

/** Reads a whole blob into memory; meant for messages and other small blobs. The empty one is never asked for (DIG-6). */
export async function readBlob(blobs: BlobStore, digest: Digest, signal?: AbortSignal): Promise<Buffer> {
  if (digest.isEmpty) return Buffer.alloc(0);
  return collectBytes(blobs.read(digest, {}, signal), digest.sizeBytes);
}
