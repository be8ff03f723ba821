import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { Digest } from '../digest/digest.js';
import type { reapi } from '../proto/index.js';

/** A folder to make. */
export interface PlannedFolder {
  /** Relative to the root of the tree, which is the empty path. */
  readonly path: string;
  readonly properties: reapi.NodeProperties.$Properties | undefined;
}

/** A file to write. */
export interface PlannedFile extends PlannedFolder {
  readonly digest: Digest;
  readonly isExecutable: boolean;
}

/** A link to make. */
export interface PlannedSymlink extends PlannedFolder {
  readonly target: string;
}

/** Everything a tree puts into a folder. */
export interface TreePlan {
  /** The root first, every parent before its children. */
  readonly folders: readonly PlannedFolder[];
  readonly files: readonly PlannedFile[];
  readonly symlinks: readonly PlannedSymlink[];
}

/** A tree that repeats its subtrees can be far larger than its blobs: this many nodes, and no more, are planned (U4). */
export const maxNodes = 1_000_000;

/** What Linux takes as a path. */
const maxPathBytes = 4_095;

/**
 * Unfolds the tree below `root`. `directories` holds the checked Directories by the key of their digest; one that is not
 * there counts as empty. Throws INVALID_ARGUMENT for a tree that no machine should unfold.
 */
export function planTree(root: Digest, directories: ReadonlyMap<string, reapi.Directory>): TreePlan {
  const plan = { folders: [] as PlannedFolder[], files: [] as PlannedFile[], symlinks: [] as PlannedSymlink[] };
  // A queue instead of recursion: a tree may be deeper than the call stack allows.
  const queue = [{ path: '', digest: root }];
  for (const { path, digest } of queue) {
    const directory = directories.get(digest.key);
    plan.folders.push({ path, properties: directory?.nodeProperties ?? undefined });
    if (!directory) continue;
    for (const node of directory.files) plan.files.push(plannedFile(path, node, root));
    for (const node of directory.symlinks) plan.symlinks.push({ ...placed(path, node), target: node.target ?? '' });
    for (const node of directory.directories) {
      queue.push({ path: placed(path, node).path, digest: Digest.fromProto(node.digest, root.function) });
    }
    checkSize(root, queue.length + plan.files.length + plan.symlinks.length);
  }
  return plan;
}

function plannedFile(parent: string, node: reapi.FileNode.$Properties, root: Digest): PlannedFile {
  const digest = Digest.fromProto(node.digest, root.function);
  return { ...placed(parent, node), digest, isExecutable: node.isExecutable ?? false };
}

/** Any of the three kinds of nodes. Its name was checked with its Directory. */
interface Node {
  readonly name?: string | null;
  readonly nodeProperties?: reapi.NodeProperties.$Properties | null;
}

function placed(parent: string, { name, nodeProperties }: Node): PlannedFolder {
  return { path: childPath(parent, name ?? ''), properties: nodeProperties ?? undefined };
}

function childPath(parent: string, name: string): string {
  const path = parent === '' ? name : `${parent}/${name}`;
  if (path.length <= maxPathBytes) return path;
  throw new StatusError(
    Code.InvalidArgument,
    `Path ${path.slice(0, 60)}… of the tree is longer than ${maxPathBytes} bytes`,
  );
}

function checkSize(root: Digest, nodes: number): void {
  if (nodes <= maxNodes) return;
  throw new StatusError(
    Code.InvalidArgument,
    `Tree ${String(root)} has more than ${maxNodes} files, folders and links`,
  );
}
