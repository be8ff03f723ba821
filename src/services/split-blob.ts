import type { Blob, BlobStore } from '../blobstore/blob-store.js';
import { FastCdc2020 } from '../codec/fast-cdc-2020.js';
import { Digest } from '../digest/digest.js';
import { fastCdcParams } from './limits.js';

const cutter = new FastCdc2020({ avgBytes: fastCdcParams.avgChunkSizeBytes, seed: fastCdcParams.seed });

/** What a SplitBlob call has in memory at a time: what is being cut, and a chunk on its way to the store. */
export const splitMemoryBytes = 3 * cutter.maxBytes;

/**
 * Cuts a blob, stores the chunks that are not there yet, and returns the digests of all in order (CAS-13); their
 * lifetimes, and that of the blob, are refreshed. A blob that is smaller than the largest chunk stays whole (CAS-15).
 */
export async function splitBlob(blobs: BlobStore, digest: Digest, signal?: AbortSignal): Promise<Digest[]> {
  if (digest.sizeBytes < cutter.maxBytes) {
    await readToEnd(blobs.read(digest, {}, signal));
    return [digest];
  }
  const chunks: Digest[] = [];
  for await (const data of cutter.chunks(blobs.read(digest, {}, signal))) {
    const chunk = { digest: Digest.of(data, digest.function), data };
    chunks.push(chunk.digest);
    await store(blobs, chunk, signal);
  }
  return chunks;
}

async function store(blobs: BlobStore, chunk: Blob, signal?: AbortSignal): Promise<void> {
  const [absent] = await blobs.findMissing([chunk.digest], signal);
  if (!absent) return;
  const [failure] = await blobs.writeBatch([chunk], signal);
  if (failure) throw failure;
}

/** A blob that can be read is there, and used again from now on. */
async function readToEnd(content: AsyncIterable<Uint8Array>): Promise<void> {
  const iterator = content[Symbol.asyncIterator]();
  for (let next = await iterator.next(); next.done !== true;) next = await iterator.next();
}
