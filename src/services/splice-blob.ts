import { BlobNotFoundError, type BlobStore } from '../blobstore/blob-store.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { Digest } from '../digest/digest.js';

/**
 * Makes the blob `digest` of `chunks` in the store (CAS-14). The store must verify: it is what lets nothing but the
 * blob become visible. A blob that is there already is made of whatever it was; the chunks are refreshed all the same.
 */
export async function spliceBlob(
  blobs: BlobStore,
  digest: Digest,
  chunks: readonly Digest[],
  signal?: AbortSignal,
): Promise<void> {
  checkChunks(digest, chunks);
  const missing = await blobs.findMissing([digest, ...chunks], signal);
  if (!missing.some((each) => each.equals(digest))) return;
  const [absent] = missing.filter((each) => !each.equals(digest));
  if (absent) throw new BlobNotFoundError(absent);
  await blobs.write(digest, concatenated(blobs, chunks, signal), signal);
}

function checkChunks(digest: Digest, chunks: readonly Digest[]): void {
  if (chunks.length === 0) throw invalid(`Blob ${String(digest)} is to be made of no chunks: at least one is wanted`);
  if (chunks.some(({ isEmpty }) => isEmpty)) throw invalid(`Blob ${String(digest)} is to be made of an empty chunk`);
  const sizeBytes = chunks.reduce((sum, chunk) => sum + chunk.sizeBytes, 0);
  if (sizeBytes !== digest.sizeBytes) {
    throw invalid(`The chunks have ${sizeBytes} bytes together, but blob ${String(digest)} has ${digest.sizeBytes}`);
  }
}

async function* concatenated(
  blobs: BlobStore,
  chunks: readonly Digest[],
  signal?: AbortSignal,
): AsyncIterable<Uint8Array> {
  for (const chunk of chunks) {
    try {
      yield* blobs.read(chunk, {}, signal);
    } catch (reason) {
      // A chunk that is found damaged is gone: for the client it is missing, and to be uploaded again.
      const isLost = reason instanceof StatusError && reason.code === Code.DataLoss;
      throw isLost ? new BlobNotFoundError(chunk, { cause: reason }) : reason;
    }
  }
}

function invalid(message: string): StatusError {
  return new StatusError(Code.InvalidArgument, message);
}
