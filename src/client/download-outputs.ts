import { lstat, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Code } from '../common/code.js';
import { StatusError, errnoOf } from '../common/status-error.js';
import type { BlobStore } from '../blobstore/blob-store.js';
import { forEachBlob } from '../blobstore/small-blobs.js';
import { SHA256, type DigestFunction } from '../digest/digest-function.js';
import { fileError } from '../merkle/digest-file.js';
import { materialise } from '../merkle/materialise.js';
import { readTree } from '../merkle/tree.js';
import type { reapi } from '../proto/index.js';
import { downloadFile } from './download-file.js';
import { planOutputs, type OutputFile, type OutputFolder } from './plan-outputs.js';
import { replaceFile } from './replace-file.js';
import { TreeBlobStore } from './tree-blob-store.js';

/** Which outputs are written, and where. */
export interface OutputsDownload {
  readonly result: reapi.ActionResult.$Properties;
  /** The folder that they are put into; made if need be. */
  readonly target: string;
  /** Of every digest in the result. @defaultValue SHA256 */
  readonly digestFunction?: DigestFunction;
}

/**
 * Writes what an action has made below a folder: directories (new, or into empty
 * folders), then files in place of those that are there, links last and verbatim (CL-6). Nothing is written through a
 * link, nor in place of a folder. `blobs` must verify what it reads, as RemoteBlobStore does.
 *
 * Throws INVALID_ARGUMENT for paths that leave `target`, FAILED_PRECONDITION for what stands in the way.
 */
export async function downloadOutputs(
  blobs: BlobStore,
  { result, target, digestFunction = SHA256 }: OutputsDownload,
  signal?: AbortSignal,
): Promise<void> {
  const { files, folders, links } = planOutputs(result, digestFunction);
  const place = new Place(target);
  for (const folder of folders) {
    await place.makeParents(folder.path);
    await writeFolder(blobs, folder, place, signal);
  }
  for (const { path } of [...files, ...links]) await place.makeParents(path);
  await forEachBlob(files, (file) => writeOutput(blobs, file, join(target, file.path), signal));
  for (const { path, target: destination } of links) {
    signal?.throwIfAborted();
    await replaceFile(join(target, path), (temporaryPath) => symlink(destination, temporaryPath));
  }
}

async function writeOutput(
  blobs: BlobStore,
  { digest, isExecutable, contents }: OutputFile,
  path: string,
  signal?: AbortSignal,
): Promise<void> {
  signal?.throwIfAborted();
  if (!contents) return downloadFile(blobs, { digest, path, isExecutable }, signal);
  const mode = isExecutable ? 0o777 : 0o666;
  await replaceFile(path, (temporaryPath) => writeFile(temporaryPath, contents, { flag: 'wx', mode }));
}

async function writeFolder(
  blobs: BlobStore,
  { path, treeDigest, rootDigest }: OutputFolder,
  place: Place,
  signal?: AbortSignal,
): Promise<void> {
  await place.refuseLink(path);
  const target = join(place.root, path);
  if (treeDigest) {
    const tree = await readTree(blobs, treeDigest, signal);
    const store = new TreeBlobStore(tree, treeDigest.function, blobs);
    await materialise(store.root, target, store, signal);
  } else if (rootDigest) {
    await materialise(rootDigest, target, blobs, signal);
  }
}

/** The folder that outputs are put into. */
class Place {
  readonly root: string;
  readonly #made = new Set<string>();

  constructor(root: string) {
    this.root = root;
  }

  /** Makes the folders above `path`. Throws FAILED_PRECONDITION if a link or a file stands where one is wanted. */
  async makeParents(path: string): Promise<void> {
    if (this.#made.size === 0) await this.#make('', { recursive: true });
    const segments = path.split('/').slice(0, -1);
    for (const end of segments.keys()) {
      const parent = segments.slice(0, end + 1).join('/');
      if (this.#made.has(parent)) continue;
      await this.refuseLink(parent);
      await this.#make(parent);
    }
  }

  /** Throws FAILED_PRECONDITION if `path` is a link: what is written through it could end up anywhere (S2). */
  async refuseLink(path: string): Promise<void> {
    if (path === '') return;
    const isLink = await lstat(join(this.root, path)).then(
      (stats) => stats.isSymbolicLink(),
      () => false,
    );
    if (!isLink) return;
    throw new StatusError(
      Code.FailedPrecondition,
      `${join(this.root, path)} is a symbolic link, through which nothing is written: remove it first`,
    );
  }

  async #make(path: string, options: { readonly recursive?: boolean } = {}): Promise<void> {
    const folder = join(this.root, path);
    try {
      await mkdir(folder, options);
    } catch (reason) {
      if (errnoOf(reason) !== 'EEXIST') throw fileError(folder, reason);
      if (!(await lstat(folder)).isDirectory()) {
        throw new StatusError(
          Code.FailedPrecondition,
          `${folder} is no folder, where outputs are to be written into one`,
        );
      }
    }
    this.#made.add(path);
  }
}
