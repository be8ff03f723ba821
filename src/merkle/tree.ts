import type { BlobStore } from '../blobstore/blob-store.js';
import { readMessage } from '../blobstore/read-message.js';
import { Digest } from '../digest/digest.js';
import type { DigestFunction } from '../digest/digest-function.js';
import { reapi } from '../proto/index.js';

/** A Directory under the digest of its encoding. */
export interface DigestedDirectory {
  readonly digest: Digest;
  readonly directory: reapi.Directory.$Properties;
}

/** A larger blob is taken for no Tree: it must fit in memory (U4). */
const maxTreeBytes = 64 * 1024 * 1024;

/** Reads a Tree, whose Directories are not checked yet. Throws BlobNotFoundError, and INVALID_ARGUMENT for another blob. */
export function readTree(blobs: BlobStore, digest: Digest, signal?: AbortSignal): Promise<reapi.Tree> {
  return readMessage(blobs, { what: 'a Tree', digest, type: reapi.Tree, maxBytes: maxTreeBytes }, signal);
}

/** Encodes a Directory and digests the bytes. Its lists must be sorted already (DIG-11). */
export function encodeDirectory(
  directory: reapi.Directory.$Properties,
  fn: DigestFunction,
): { readonly digest: Digest; readonly data: Uint8Array } {
  const data = reapi.Directory.encode(directory).finish();
  return { digest: Digest.of(data, fn), data };
}

/**
 * Joins Directories to a Tree whose encoding is topologically sorted (CMD-14): the root first, each child after all its
 * parents, distinct ones once, none unreferenced. `byKey` holds every Directory below the root by the key of its digest.
 */
export function treeOf(root: DigestedDirectory, byKey: ReadonlyMap<string, DigestedDirectory>): reapi.Tree.$Properties {
  const fn = root.digest.function;
  const seen = new Set<string>();
  const postOrder: reapi.Directory.$Properties[] = [];
  // An explicit stack: a tree may be deeper than the call stack allows.
  const stack = [{ node: root, next: 0 }];
  for (let top = stack.at(-1); top; top = stack.at(-1)) {
    const child = top.node.directory.directories?.[top.next];
    top.next += 1;
    if (!child) {
      postOrder.push(top.node.directory);
      stack.pop();
      continue;
    }
    const { key } = Digest.fromProto(child.digest, fn);
    const found = byKey.get(key);
    if (seen.has(key) || !found) continue;
    seen.add(key);
    stack.push({ node: found, next: 0 });
  }
  return { root: root.directory, children: postOrder.reverse().slice(1) };
}

/** The Directories of a Tree by the key of their recomputed digest, as DirectoryNodes name them. */
export function directoriesOf(
  tree: reapi.Tree.$Properties,
  fn: DigestFunction,
): ReadonlyMap<string, DigestedDirectory> {
  const byKey = new Map<string, DigestedDirectory>();
  for (const directory of tree.children ?? []) {
    const { digest } = encodeDirectory(directory, fn);
    byKey.set(digest.key, { digest, directory });
  }
  return byKey;
}
