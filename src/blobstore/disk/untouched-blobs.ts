import type { FileHandle } from 'node:fs/promises';
import { Code } from '../../common/code.js';
import { StatusError, errnoOf } from '../../common/status-error.js';
import { storageError } from '../../common/storage-error.js';
import type { Digest } from '../../digest/digest.js';
import { BlobNotFoundError, type BlobStore, type ByteRange } from '../blob-store.js';
import type { PackFolder } from '../packs/pack-folder.js';
import { type ResolvedRange, resolveRange } from '../resolve-range.js';
import type { BlobFiles } from './blob-files.js';
import type { BlobIndex } from './blob-index.js';
import { readFileRange } from './read-file.js';

/** What {@link UntouchedBlobs} works with; all of it belongs to the store. */
export interface UntouchedBlobsDependencies {
  readonly index: BlobIndex;
  readonly files: BlobFiles;
  readonly packs: PackFolder;
}

/**
 * Shows the blobs of a disk store and leaves no trace: see `ListableBlobStore.untouched`. Only what the index knows is there, and
 * nothing keeps a blob from being evicted while it is read. The empty blob is there (DIG-6).
 */
export class UntouchedBlobs implements BlobStore {
  readonly #deps: UntouchedBlobsDependencies;

  constructor(dependencies: UntouchedBlobsDependencies) {
    this.#deps = dependencies;
  }

  async findMissing(digests: readonly Digest[], signal?: AbortSignal): Promise<Digest[]> {
    signal?.throwIfAborted();
    const missing = digests.filter((digest) => !digest.isEmpty && !this.#deps.index.placeOf(digest));
    return [...new Map(missing.map((digest) => [digest.key, digest])).values()];
  }

  async *read(digest: Digest, range?: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const resolved = resolveRange(digest, range);
    signal?.throwIfAborted();
    if (digest.isEmpty) return;
    try {
      yield* this.#read(digest, resolved, signal);
    } catch (reason) {
      throw storageError(reason, `Reading blob ${String(digest)}`);
    }
  }

  write(): Promise<never> {
    return refuse();
  }

  writeBatch(): Promise<never> {
    return refuse();
  }

  delete(): Promise<never> {
    return refuse();
  }

  async *#read(digest: Digest, range: ResolvedRange, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const place = this.#deps.index.placeOf(digest);
    if (!place) throw new BlobNotFoundError(digest);
    if (place.segment === 0) {
      const file = await this.#openWhole(digest);
      try {
        yield* readFileRange(file, range, signal);
      } finally {
        await file.close();
      }
    } else {
      const { offset, length } = range;
      const data = await this.#deps.packs.read({ ...place, offset: place.offset + offset }, length);
      if (!data) throw lost('its pack segment is cut off or gone');
      if (length > 0) yield data;
    }
  }

  async #openWhole({ key, sizeBytes }: Digest): Promise<FileHandle> {
    let file: FileHandle | undefined;
    try {
      file = await this.#deps.files.open(key);
      const found = (await file.stat()).size;
      if (found !== sizeBytes) throw lost(`its file has ${found} bytes`);
      return file;
    } catch (reason) {
      await file?.close();
      throw errnoOf(reason) === 'ENOENT' ? lost('its file is gone') : reason;
    }
  }
}

function lost(what: string): StatusError {
  return new StatusError(Code.DataLoss, what);
}

function refuse(): Promise<never> {
  return Promise.reject(new StatusError(Code.FailedPrecondition, 'These blobs are only there to be looked at'));
}
