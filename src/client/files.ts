import { realpath } from 'node:fs/promises';
import { forEachConcurrently } from '../common/async-iteration.js';
import type { BlobSource } from '../blobstore/blob-source.js';
import type { BlobStore } from '../blobstore/blob-store.js';
import type { Digest } from '../digest/digest.js';
import { SHA256 } from '../digest/digest-function.js';
import { buildTree } from '../merkle/build-tree.js';
import { digestFile, fileError } from '../merkle/digest-file.js';
import { materialise } from '../merkle/materialise.js';
import { MissingUpload, type UploadOptions } from './missing-upload.js';
import { uploadMissing } from './upload-missing.js';

const concurrentFiles = 16;

/**
 * Uploads files and returns their digests in the order of `paths`; links are followed. Nothing is sent unless all can
 * be read.
 */
export async function uploadFiles(
  blobs: BlobStore,
  paths: readonly string[],
  options: UploadOptions = {},
  signal?: AbortSignal,
): Promise<readonly Digest[]> {
  const sources = new Array<BlobSource>(paths.length);
  await forEachConcurrently(paths.entries(), concurrentFiles, async ([index, path]) => {
    sources[index] = await sourceOf(path, signal);
  });
  await uploadMissing(blobs, sources, options, signal);
  return sources.map(({ digest }) => digest);
}

/**
 * Uploads the folder `path` with all that is in it and returns the digest of its root Directory. Files are sent while others
 * are still hashed; nothing is, before all that is there was found to be files, folders and links.
 */
export async function uploadFolder(
  blobs: BlobStore,
  path: string,
  options: UploadOptions = {},
  signal?: AbortSignal,
): Promise<Digest> {
  await using upload = new MissingUpload(blobs, options, signal);
  const { root, sources } = await buildTree(path, { onFile: (source) => upload.add(source) }, signal);
  // The files among them were added already.
  for (const source of sources) await upload.add(source);
  await upload.finish();
  return root;
}

/**
 * Writes the folder whose root Directory is `root` to `path`, which must not exist or be empty. Throws
 * FAILED_PRECONDITION otherwise, or where blobs are missing. After a failure nothing is left.
 */
export async function downloadFolder(
  blobs: BlobStore,
  root: Digest,
  path: string,
  signal?: AbortSignal,
): Promise<void> {
  await materialise(root, path, blobs, signal);
}

async function sourceOf(path: string, signal?: AbortSignal): Promise<BlobSource> {
  const target = await realpath(path).catch((reason: unknown) => {
    throw fileError(path, reason);
  });
  const { digest } = await digestFile(target, SHA256, signal);
  return { digest, path: target };
}
