import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { BlobNotFoundError, type BlobStore } from '../blobstore/blob-store.js';
import { readBlob } from '../blobstore/read-blob.js';
import { Digest } from '../digest/digest.js';
import type { reapi } from '../proto/index.js';
import { decodeDirectory } from './directory.js';

/** A Directory that a walk came upon; `directory` is `undefined` where the store lacks it. */
export interface VisitedDirectory {
  readonly digest: Digest;
  readonly directory: reapi.Directory | undefined;
}

/** How many Directories of a level are read side by side. */
const readAhead = 32;

/** A walk follows no more nodes than this, so that a crafted tree cannot exhaust memory (U4). */
export const maxDirectories = 1_000_000;

/**
 * Visits `root` and every Directory below it: parents before children, level by level, each distinct digest once.
 * A Directory that the store lacks is visited without its message. Throws INVALID_ARGUMENT for one that is malformed.
 */
export async function* walkDirectories(
  blobs: BlobStore,
  root: Digest,
  signal?: AbortSignal,
): AsyncIterable<VisitedDirectory> {
  const seen = new Set([root.key]);
  let level = [root];
  while (level.length > 0) {
    const below: Digest[] = [];
    for (let start = 0; start < level.length; start += readAhead) {
      const visits = level.slice(start, start + readAhead).map((digest) => visit(blobs, digest, signal));
      for (const visited of await Promise.all(visits)) {
        yield visited;
        for (const node of visited.directory?.directories ?? []) {
          const digest = Digest.fromProto(node.digest, root.function);
          if (!seen.has(digest.key)) below.push(digest);
          seen.add(digest.key);
        }
      }
    }
    if (seen.size > maxDirectories) {
      throw new StatusError(Code.InvalidArgument, `Tree ${String(root)} has more than ${maxDirectories} directories`);
    }
    level = below;
  }
}

async function visit(blobs: BlobStore, digest: Digest, signal?: AbortSignal): Promise<VisitedDirectory> {
  try {
    return { digest, directory: decodeDirectory(await readBlob(blobs, digest, signal)) };
  } catch (reason) {
    if (reason instanceof BlobNotFoundError) return { digest, directory: undefined };
    throw StatusError.from(reason).wrap(`Directory ${String(digest)}`);
  }
}
