import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { WeightedSemaphore } from '../common/weighted-semaphore.js';
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

/** A Directory that a tolerant walk came upon. */
export interface TolerantVisit extends VisitedDirectory {
  /** INVALID_ARGUMENT, where there is a blob but no well-formed Directory in it. */
  readonly fault?: StatusError;
}

/** How many Directories of a level are read side by side, and how many bytes they may have together. */
const readAhead = 32;
const maxReadAheadBytes = 16 * 1024 * 1024;

/** A larger blob is taken for no Directory: decoding it would need many times its size (U4). */
const maxDirectoryBytes = maxReadAheadBytes;

/** Decoded, large Directories have many times their size: all walks together hold so many bytes of them at a time (U4). */
const largeGroups = new WeightedSemaphore(4 * maxReadAheadBytes);
const largeBytes = 1024 * 1024;

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
  for await (const visited of walkDirectoriesTolerantly(blobs, root, signal)) {
    if (visited.fault) throw visited.fault;
    yield visited;
  }
}

/** As {@link walkDirectories}, but a malformed Directory is visited, with its fault, and the walk goes on. */
export async function* walkDirectoriesTolerantly(
  blobs: BlobStore,
  root: Digest,
  signal?: AbortSignal,
): AsyncIterable<TolerantVisit> {
  const seen = new Set([root.key]);
  let level = [root];
  while (level.length > 0) {
    const below: Digest[] = [];
    for (const group of groupsOf(level)) {
      const release = await admitGroup(group, signal);
      try {
        for (const { children, ...visited } of await Promise.all(group.map((digest) => visit(blobs, digest, signal)))) {
          yield visited;
          for (const child of children) {
            if (!seen.has(child.key)) below.push(child);
            seen.add(child.key);
          }
        }
      } finally {
        release();
      }
      if (seen.size > maxDirectories) {
        throw new StatusError(Code.InvalidArgument, `Tree ${String(root)} has more than ${maxDirectories} directories`);
      }
    }
    level = below;
  }
}

function admitGroup(group: readonly Digest[], signal?: AbortSignal): Promise<() => void> | (() => void) {
  const sizeBytes = group.reduce((sum, digest) => sum + digest.sizeBytes, 0);
  return sizeBytes > largeBytes ? largeGroups.acquire(sizeBytes, signal) : () => undefined;
}

function* groupsOf(digests: readonly Digest[]): Iterable<readonly Digest[]> {
  let group: Digest[] = [];
  let sizeBytes = 0;
  for (const digest of digests) {
    if (group.length === readAhead || (group.length > 0 && sizeBytes + digest.sizeBytes > maxReadAheadBytes)) {
      yield group;
      group = [];
      sizeBytes = 0;
    }
    group.push(digest);
    sizeBytes += digest.sizeBytes;
  }
  yield group;
}

async function visit(
  blobs: BlobStore,
  digest: Digest,
  signal?: AbortSignal,
): Promise<TolerantVisit & { readonly children: readonly Digest[] }> {
  try {
    if (digest.sizeBytes > maxDirectoryBytes) {
      throw new StatusError(Code.InvalidArgument, `more than ${maxDirectoryBytes} bytes are no Directory`);
    }
    const directory = decodeDirectory(await readBlob(blobs, digest, signal));
    const children = directory.directories.map((node) => Digest.fromProto(node.digest, digest.function));
    return { digest, directory, children };
  } catch (reason) {
    if (reason instanceof BlobNotFoundError) return { digest, directory: undefined, children: [] };
    const fault = StatusError.from(reason).wrap(`Directory ${String(digest)}`);
    if (fault.code !== Code.InvalidArgument) throw fault;
    return { digest, directory: undefined, children: [], fault };
  }
}
