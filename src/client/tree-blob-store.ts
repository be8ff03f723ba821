import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { Blob, BlobStore, ByteRange, WriteOutcome } from '../blobstore/blob-store.js';
import type { Digest } from '../digest/digest.js';
import type { DigestFunction } from '../digest/digest-function.js';
import { checkDirectory } from '../merkle/directory.js';
import { directoriesOf, encodeDirectory } from '../merkle/tree.js';
import type { reapi } from '../proto/index.js';

/** Serves the Directories of a Tree by their recomputed digests, everything else from `blobs`. */
export class TreeBlobStore implements BlobStore {
  readonly root: Digest;
  readonly #blobs: BlobStore;
  readonly #directories = new Map<string, Uint8Array>();

  /** Throws INVALID_ARGUMENT for a Tree without a root, or with a Directory that is malformed. */
  constructor(tree: reapi.Tree.$Properties, fn: DigestFunction, blobs: BlobStore) {
    if (!tree.root) throw new StatusError(Code.InvalidArgument, 'The Tree of an output directory has no root');
    const children = [...directoriesOf(tree, fn).values()].map(({ directory }) => directory);
    for (const directory of [tree.root, ...children]) {
      checkDirectory(directory);
      const { digest, data } = encodeDirectory(directory, fn);
      this.#directories.set(digest.key, data);
    }
    this.root = encodeDirectory(tree.root, fn).digest;
    this.#blobs = blobs;
  }

  findMissing(digests: readonly Digest[], signal?: AbortSignal): Promise<Digest[]> {
    return this.#blobs.findMissing(
      digests.filter(({ key }) => !this.#directories.has(key)),
      signal,
    );
  }

  async *read(digest: Digest, range: ByteRange = {}, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const data = this.#directories.get(digest.key);
    if (data) yield data.subarray(range.offset ?? 0, (range.offset ?? 0) + (range.limit ?? data.length));
    else yield* this.#blobs.read(digest, range, signal);
  }

  write(digest: Digest, content: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
    return this.#blobs.write(digest, content, signal);
  }

  writeBatch(blobs: readonly Blob[], signal?: AbortSignal): Promise<readonly WriteOutcome[]> {
    return this.#blobs.writeBatch(blobs, signal);
  }

  delete(digests: readonly Digest[], signal?: AbortSignal): Promise<void> {
    return this.#blobs.delete(digests, signal);
  }
}
