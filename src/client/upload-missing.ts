import type { BlobSource } from '../blobstore/blob-source.js';
import type { BlobStore } from '../blobstore/blob-store.js';
import { MissingUpload, type UploadOptions, type UploadProgress } from './missing-upload.js';

/**
 * Stores what `blobs` lacks of `sources`, as a {@link MissingUpload} does. Rejects with the first failure, naming the blob
 * or file.
 */
export async function uploadMissing(
  blobs: BlobStore,
  sources: Iterable<BlobSource> | AsyncIterable<BlobSource>,
  options: UploadOptions = {},
  signal?: AbortSignal,
): Promise<UploadProgress> {
  await using upload = new MissingUpload(blobs, options, signal);
  for await (const source of sources) await upload.add(source);
  return await upload.finish();
}
