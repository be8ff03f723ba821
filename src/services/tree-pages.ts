import { createHash } from 'node:crypto';
import { BlobNotFoundError, type BlobStore } from '../blobstore/blob-store.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { Digest } from '../digest/digest.js';
import { walkDirectoriesTolerantly } from '../merkle/walk-directories.js';
import type { reapi } from '../proto/index.js';
import { defaultTreePageSize, maxSentMessageBytes } from './limits.js';

/** Which part of a tree is asked for. */
export interface TreePagesOptions {
  readonly root: Digest;
  /** Directories in a message at the most; 0 leaves it to the server. */
  readonly pageSize: number;
  /** Of the message behind which to go on; empty for the start. */
  readonly pageToken: string;
}

/** What a Directory needs in a message besides its own bytes. */
const framingBytes = 16;

/**
 * The messages of GetTree: the root first, parents before children, each Directory once (CAS-10). Where a Directory is
 * missing, malformed, or too large for a message, there is a gap, which clients find by its digest (CAS-9).
 */
export async function* treePages(
  blobs: BlobStore,
  { root, pageSize, pageToken }: TreePagesOptions,
  signal?: AbortSignal,
): AsyncIterable<reapi.GetTreeResponse.$Properties> {
  if (pageSize < 0) throw new StatusError(Code.InvalidArgument, `Page size ${pageSize} is negative`);
  const maxCount = pageSize === 0 ? defaultTreePageSize : pageSize;
  const start = positionOf(pageToken, root);
  let directories: reapi.Directory[] = [];
  let sizeBytes = 0;
  for await (const { position, directory, needed } of sendable(blobs, root, signal)) {
    if (position < start) continue;
    if (directories.length === maxCount || sizeBytes + needed > maxSentMessageBytes) {
      yield { directories, nextPageToken: tokenOf(position, root) };
      directories = [];
      sizeBytes = 0;
    }
    directories.push(directory);
    sizeBytes += needed;
  }
  yield { directories };
}

/** A Directory on its way to the client. */
interface Sendable {
  /** Its place in the walk. */
  readonly position: number;
  readonly directory: reapi.Directory;
  /** Bytes that it takes in a message. */
  readonly needed: number;
}

async function* sendable(blobs: BlobStore, root: Digest, signal?: AbortSignal): AsyncIterable<Sendable> {
  let position = 0;
  for await (const { digest, directory, fault } of walkDirectoriesTolerantly(blobs, root, signal)) {
    if (position === 0 && !directory) throw fault ?? new BlobNotFoundError(root);
    const needed = digest.sizeBytes + framingBytes;
    if (directory && needed <= maxSentMessageBytes) yield { position, directory, needed };
    position += 1;
  }
}

/** A position in the walk, bound to the root, so that no state is kept and a foreign token is noticed (CAS-12). */
function tokenOf(position: number, root: Digest): string {
  const seal = createHash('sha256').update(`${position} of ${root.key}`).digest('base64url').slice(0, 16);
  return `${position}.${seal}`;
}

function positionOf(token: string, root: Digest): number {
  if (token === '') return 0;
  const position = Number.parseInt(token, 10);
  if (tokenOf(position, root) === token) return position;
  throw new StatusError(
    Code.InvalidArgument,
    `Page token ${JSON.stringify(token.slice(0, 100))} is not one of tree ${String(root)}`,
  );
}
