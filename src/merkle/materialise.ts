import { mkdir, readdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { Code } from '../common/code.js';
import { makeFolders } from '../common/make-folders.js';
import { StatusError, errnoOf } from '../common/status-error.js';
import { BlobNotFoundError, type BlobStore } from '../blobstore/blob-store.js';
import { forEachBlob } from '../blobstore/small-blobs.js';
import type { Digest } from '../digest/digest.js';
import { missingBlobsError } from '../digest/missing-blobs.js';
import type { reapi } from '../proto/index.js';
import { fileError } from './digest-file.js';
import { applyNodeProperties } from './node-properties.js';
import { planTree, type PlannedFile, type TreePlan } from './plan-tree.js';
import { removeTree } from './remove-tree.js';
import { walkDirectories } from './walk-directories.js';
import { writeCopies } from './write-copies.js';

/**
 * Writes the tree `root` into the folder `target`, which must not exist or be empty: folders first, then files with the
 * modes 0644 and 0755, links last and verbatim, so that no link of the tree is ever followed (S2). `unix_mode` and
 * `mtime` are honoured where the tree has them.
 *
 * Throws FAILED_PRECONDITION that names *every* missing blob (EX-9), and INVALID_ARGUMENT for names that could leave the
 * target. What was written until a failure is removed again.
 */
export async function materialise(root: Digest, target: string, blobs: BlobStore, signal?: AbortSignal): Promise<void> {
  const plan = await readPlan(root, blobs, signal);
  await using made = await prepareTarget(target);
  try {
    await writePlan(plan, target, blobs, signal);
    made.keep();
  } catch (reason) {
    if (reason instanceof BlobNotFoundError) throw await missingOf(plan.files, [reason.digest], blobs, signal);
    throw writeError(target, reason);
  }
}

async function readPlan(root: Digest, blobs: BlobStore, signal?: AbortSignal): Promise<TreePlan> {
  const directories = new Map<string, reapi.Directory>();
  const missing: Digest[] = [];
  for await (const { digest, directory } of walkDirectories(blobs, root, signal)) {
    if (directory) directories.set(digest.key, directory);
    else missing.push(digest);
  }
  const plan = planTree(root, directories);
  if (missing.length > 0) throw await missingOf(plan.files, missing, blobs, signal);
  return plan;
}

/** All that is missing, those found by chance included: a client uploads what is named, once. */
async function missingOf(
  files: readonly PlannedFile[],
  found: readonly Digest[],
  blobs: BlobStore,
  signal?: AbortSignal,
): Promise<StatusError> {
  const distinct = new Map(files.map(({ digest }) => [digest.key, digest]));
  return missingBlobsError([...found, ...(await blobs.findMissing([...distinct.values()], signal))]);
}

/** Makes `target`. Unless it is told to keep it, disposal removes all that has come into being there. */
async function prepareTarget(target: string): Promise<AsyncDisposable & { keep(): void }> {
  const { firstMade, found } = await makeFolder(target);
  if (found.length > 0) {
    throw new StatusError(
      Code.FailedPrecondition,
      `${target} is not empty: a tree is written into a new or an empty folder`,
    );
  }
  let isKept = false;
  return {
    keep: () => void (isKept = true),
    [Symbol.asyncDispose]: async () => {
      if (isKept) return;
      if (firstMade !== undefined) return removeTree(firstMade);
      for (const name of await readdir(target)) await removeTree(join(target, name));
    },
  };
}

async function makeFolder(target: string): Promise<{ firstMade: string | undefined; found: string[] }> {
  try {
    const firstMade = await makeFolders(target);
    return { firstMade, found: await readdir(target) };
  } catch (reason) {
    if (errnoOf(reason) !== 'EEXIST') throw fileError(target, reason);
    throw new StatusError(Code.FailedPrecondition, `${target} is a file, where a new or an empty folder is wanted`);
  }
}

async function writePlan(plan: TreePlan, target: string, blobs: BlobStore, signal?: AbortSignal): Promise<void> {
  for (const { path } of plan.folders.slice(1)) {
    signal?.throwIfAborted();
    await mkdir(join(target, path));
  }
  await writeFiles(plan.files, target, blobs, signal);
  for (const { path, target: destination, properties } of plan.symlinks) {
    signal?.throwIfAborted();
    await symlink(destination, join(target, path));
    await applyNodeProperties(join(target, path), 'symlink', properties);
  }
  // Children before parents, and only now: a folder may forbid writing, and each new entry changes its mtime.
  for (const { path, properties } of [...plan.folders].reverse()) {
    await applyNodeProperties(join(target, path), 'folder', properties);
  }
}

async function writeFiles(
  files: readonly PlannedFile[],
  target: string,
  blobs: BlobStore,
  signal?: AbortSignal,
): Promise<void> {
  const byDigest = new Map<string, { digest: Digest; copies: PlannedFile[] }>();
  for (const file of files) {
    const group = byDigest.get(file.digest.key);
    if (group) group.copies.push(file);
    else byDigest.set(file.digest.key, { digest: file.digest, copies: [file] });
  }
  await forEachBlob([...byDigest.values()], async ({ digest, copies }) => {
    signal?.throwIfAborted();
    await writeCopies(digest, copies, { target, blobs }, signal);
  });
}

/** A name that this machine cannot have is the tree's fault; anything else is the machine's. */
function writeError(target: string, reason: unknown): StatusError {
  if (errnoOf(reason) !== 'ENAMETOOLONG') return StatusError.from(reason);
  return new StatusError(
    Code.InvalidArgument,
    `A path of the tree below ${target} is longer than this machine allows`,
    {
      cause: reason,
    },
  );
}
