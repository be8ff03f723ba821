import type { Dirent } from 'node:fs';
import { readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import { forEachConcurrently } from '../common/async-iteration.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { BlobSource } from '../blobstore/blob-source.js';
import type { Digest } from '../digest/digest.js';
import { SHA256, type DigestFunction } from '../digest/digest-function.js';
import { digestFile, fileError, type DigestedFile } from './digest-file.js';
import { compareByName, isPathSegment } from './directory.js';
import { encodeDirectory, type DigestedDirectory } from './tree.js';

/** How a folder becomes a tree. */
export interface BuildTreeOptions {
  /** @defaultValue SHA256 */
  readonly digestFunction?: DigestFunction;
  /** How many files are hashed side by side. @defaultValue 16 */
  readonly concurrency?: number;
  /**
   * Told of each file once it is hashed, with its content where that is small: others can go on with it meanwhile. Hashing
   * waits for the promise, and ends when it rejects. By then the folders have been walked, and hold only what can be stored.
   */
  readonly onFile?: (source: BlobSource) => Promise<void>;
}

/** A folder as a Merkle tree, with all that must be uploaded so that others can read it. */
export interface BuiltTree {
  /** The digest of the root Directory. */
  readonly root: Digest;
  /** Every distinct Directory, the root too, by the key of its digest. */
  readonly directories: ReadonlyMap<string, DigestedDirectory>;
  /** Every distinct file and Directory. Files are read again at upload, which fails if one has changed meanwhile. */
  readonly sources: readonly BlobSource[];
}

/**
 * Describes the folder `path` as it is: exec bits by the owner's bit, links verbatim, empty folders kept. `path` itself
 * may be a link to a folder. A socket, fifo or device, or a name that is not UTF-8, is INVALID_ARGUMENT naming the path.
 */
export async function buildTree(
  path: string,
  options: BuildTreeOptions = {},
  signal?: AbortSignal,
): Promise<BuiltTree> {
  const { digestFunction = SHA256 } = options;
  const folders = await listFolders(path, signal);
  const digests = await digestFiles(folders, { ...options, digestFunction }, signal);
  return joinFolders(folders, digests, digestFunction);
}

/** One folder of the walk. Folders stand in a list in which every parent comes before its children. */
interface Folder {
  readonly path: string;
  readonly files: string[];
  readonly symlinks: { name: string; target: string }[];
  /** Names of sub-folders, with their place in the list. */
  readonly folders: { name: string; index: number }[];
}

async function listFolders(root: string, signal?: AbortSignal): Promise<Folder[]> {
  const list: Folder[] = [newFolder(root)];
  // The list grows while it is walked: no recursion, however deep the tree is.
  for (const folder of list) {
    signal?.throwIfAborted();
    for (const entry of await entriesOf(folder.path)) {
      const path = join(folder.path, checkName(folder.path, entry.name));
      if (entry.isDirectory()) {
        folder.folders.push({ name: entry.name, index: list.push(newFolder(path)) - 1 });
      } else if (entry.isSymbolicLink()) {
        folder.symlinks.push({ name: entry.name, target: await targetOf(path) });
      } else if (entry.isFile()) {
        folder.files.push(entry.name);
      } else {
        throw new StatusError(
          Code.InvalidArgument,
          `${path} is ${kindOf(entry)}: only files, folders and links can be stored`,
        );
      }
    }
  }
  return list;
}

function newFolder(path: string): Folder {
  return { path, files: [], symlinks: [], folders: [] };
}

async function entriesOf(path: string): Promise<Dirent[]> {
  try {
    return await readdir(path, { withFileTypes: true });
  } catch (reason) {
    throw fileError(path, reason);
  }
}

function checkName(parent: string, name: string): string {
  if (isPathSegment(name)) return name;
  throw new StatusError(Code.InvalidArgument, `${join(parent, name)} has a name that is not UTF-8`);
}

async function targetOf(path: string): Promise<string> {
  const target = await readlink(path);
  if (!target.includes('\uFFFD')) return target;
  throw new StatusError(Code.InvalidArgument, `${path} is a link to a name that is not UTF-8`);
}

function kindOf(entry: Dirent): string {
  if (entry.isSocket()) return 'a socket';
  return entry.isFIFO() ? 'a fifo' : 'a device';
}

/** A file without its content, for there may be many. */
type TreeFile = Omit<DigestedFile, 'data'>;

async function digestFiles(
  folders: readonly Folder[],
  { digestFunction, concurrency = 16, onFile }: BuildTreeOptions & { readonly digestFunction: DigestFunction },
  signal?: AbortSignal,
): Promise<ReadonlyMap<string, TreeFile>> {
  const digests = new Map<string, TreeFile>();
  const paths = folders.flatMap((folder) => folder.files.map((name) => join(folder.path, name)));
  await forEachConcurrently(paths, concurrency, async (path) => {
    signal?.throwIfAborted();
    const { digest, isExecutable, data } = await digestFile(path, digestFunction, signal);
    digests.set(path, { digest, isExecutable });
    await onFile?.(data ? { digest, data } : { digest, path });
  });
  return digests;
}

function joinFolders(folders: readonly Folder[], files: ReadonlyMap<string, TreeFile>, fn: DigestFunction): BuiltTree {
  const directories = new Map<string, DigestedDirectory>();
  const sources = new Map<string, BlobSource>();
  const digests: Digest[] = [];
  for (const [path, { digest }] of files) sources.set(digest.key, { digest, path });
  // From the end: children are digested before their parents.
  for (const [index, folder] of [...folders.entries()].reverse()) {
    const directory = directoryOf(folder, files, digests);
    const { digest, data } = encodeDirectory(directory, fn);
    digests[index] = digest;
    directories.set(digest.key, { digest, directory });
    sources.set(digest.key, { digest, data });
  }
  const [root] = digests;
  if (!root) throw new RangeError('A tree has at least its root');
  return { root, directories, sources: [...sources.values()] };
}

function directoryOf(
  { path, files, symlinks, folders }: Folder,
  digestedFiles: ReadonlyMap<string, TreeFile>,
  digests: readonly Digest[],
): DigestedDirectory['directory'] {
  const nodes = files.map((name) => {
    const file = digestedFiles.get(join(path, name));
    return { name, digest: file?.digest.toProto() ?? null, isExecutable: file?.isExecutable ?? false };
  });
  return {
    files: nodes.sort(compareByName),
    directories: folders
      .map(({ name, index }) => ({ name, digest: digests[index]?.toProto() ?? null }))
      .sort(compareByName),
    symlinks: symlinks.sort(compareByName),
  };
}
