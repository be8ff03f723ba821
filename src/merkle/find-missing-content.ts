import type { BlobStore } from '../blobstore/blob-store.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { Digest } from '../digest/digest.js';
import { walkDirectories } from './walk-directories.js';

/** More blobs below one name are taken for a mistake: all of their digests must fit in memory (U4). */
const maxBlobs = 1_000_000;

/** What must be in a store for something that refers to it to be whole. */
export interface Content {
  /** Blobs that are not looked into. */
  readonly blobs: readonly Digest[];
  /** Root Directories, with everything below them. */
  readonly roots: readonly Digest[];
}

/**
 * Returns what `blobs` lacks of `content`, each digest once, and refreshes the lifetime of all that is there. What is below
 * a missing Directory cannot be known. Throws INVALID_ARGUMENT for a Directory that is malformed.
 */
export async function findMissingContent(
  blobs: BlobStore,
  { blobs: given, roots }: Content,
  signal?: AbortSignal,
): Promise<Digest[]> {
  const wanted = new Map(given.map((digest) => [digest.key, digest]));
  // Not asked for once more: what comes in the meantime has not been looked into.
  const missing = new Map<string, Digest>();
  for (const root of roots) {
    for await (const { digest, directory } of walkDirectories(blobs, root, signal)) {
      (directory ? wanted : missing).set(digest.key, digest);
      for (const file of directory?.files ?? []) {
        const found = Digest.fromProto(file.digest, digest.function);
        wanted.set(found.key, found);
      }
      if (wanted.size > maxBlobs) {
        throw new StatusError(
          Code.InvalidArgument,
          `Directory ${String(root)} has more than ${maxBlobs} blobs below it`,
        );
      }
    }
  }
  for (const digest of await blobs.findMissing([...wanted.values()], signal)) missing.set(digest.key, digest);
  return [...missing.values()];
}
