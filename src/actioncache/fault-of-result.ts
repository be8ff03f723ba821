import { BlobNotFoundError, type BlobStore } from '../blobstore/blob-store.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { Digest } from '../digest/digest.js';
import type { DigestFunction } from '../digest/digest-function.js';
import { checkDirectory } from '../merkle/directory.js';
import { readTree } from '../merkle/tree.js';
import { walkDirectories } from '../merkle/walk-directories.js';
import type { reapi } from '../proto/index.js';
import { referencesOf } from './action-result.js';

/** A result with more blobs is taken for malformed: all of them must fit in memory (U4). */
const maxBlobs = 1_000_000;

/** Why nobody can use a result. */
export interface ResultFault {
  /** Whether it could never be used, or only lacks something that has gone. */
  readonly isMalformed: boolean;
  /** For people. */
  readonly message: string;
}

/** Where the outputs of a result should be, and by which function they are known there. */
export interface ResultOutputs {
  readonly blobs: BlobStore;
  readonly fn: DigestFunction;
}

/**
 * Says what is wrong with a result, or nothing if its every output is in `blobs` at this moment (AC-2); by asking it has
 * them kept. Trouble with the store is thrown, for it says nothing about the result.
 */
export async function faultOfResult(
  result: reapi.ActionResult,
  outputs: ResultOutputs,
  signal?: AbortSignal,
): Promise<ResultFault | undefined> {
  try {
    const wanted = await collect(result, outputs, signal);
    const missing = await outputs.blobs.findMissing([...wanted.values()], signal);
    const [first] = missing;
    if (!first) return undefined;
    const message = `${missing.length} of ${wanted.size} blobs are missing, such as ${String(first)}`;
    return { isMalformed: false, message };
  } catch (reason) {
    const isMalformed = reason instanceof StatusError && reason.code === Code.InvalidArgument;
    if (isMalformed || reason instanceof BlobNotFoundError) return { isMalformed, message: reason.message };
    throw reason;
  }
}

/** All that the result refers to, directly and through Trees and Directories, by key. */
async function collect(
  result: reapi.ActionResult,
  { blobs, fn }: ResultOutputs,
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, Digest>> {
  const references = referencesOf(result, fn);
  const wanted = new Map<string, Digest>();
  const want = (digest: Digest): void => {
    wanted.set(digest.key, digest);
    if (wanted.size > maxBlobs) throw new StatusError(Code.InvalidArgument, `More than ${maxBlobs} outputs`);
  };
  const wantFiles = ({ files }: reapi.Directory.$Properties): void => {
    for (const { digest } of files ?? []) want(Digest.fromProto(digest, fn));
  };
  for (const digest of [...references.blobs, ...references.trees]) want(digest);
  for (const digest of references.trees) {
    for (const directory of await directoriesOf(blobs, digest, signal)) wantFiles(directory);
  }
  for (const root of references.roots) {
    for await (const { digest, directory } of walkDirectories(blobs, root, signal)) {
      if (!directory) throw new BlobNotFoundError(digest);
      want(digest);
      wantFiles(directory);
    }
  }
  return wanted;
}

async function directoriesOf(
  blobs: BlobStore,
  digest: Digest,
  signal?: AbortSignal,
): Promise<readonly reapi.Directory.$Properties[]> {
  const tree = await readTree(blobs, digest, signal);
  const directories = [tree.root ?? {}, ...tree.children];
  for (const directory of directories) checkDirectory(directory);
  return directories;
}
