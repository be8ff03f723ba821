import type { FileHandle } from 'node:fs/promises';
import type { Logger } from '../../common/logger.js';
import { errnoOf } from '../../common/status-error.js';
import type { Digest } from '../../digest/digest.js';
import { BlobNotFoundError } from '../blob-store.js';
import type { PackFolder } from '../packs/pack-folder.js';
import type { PackPlace } from '../packs/pack-place.js';
import type { ResolvedRange } from '../resolve-range.js';
import type { BlobFiles } from './blob-files.js';
import type { BlobIndex } from './blob-index.js';
import type { BlobRemover } from './blob-remover.js';
import type { FileListing } from './file-listing.js';
import { readFileRange } from './read-file.js';

/** What {@link BlobReader} works with; all of it belongs to the store. */
export interface BlobReaderDependencies {
  readonly index: BlobIndex;
  readonly files: BlobFiles;
  readonly packs: PackFolder;
  readonly listing: FileListing;
  readonly remover: BlobRemover;
  readonly logger: Logger;
}

/** Reads blobs from wherever they are. A blob whose file or segment turns out to be gone or cut off is forgotten. */
export class BlobReader {
  readonly #deps: BlobReaderDependencies;

  constructor(dependencies: BlobReaderDependencies) {
    this.#deps = dependencies;
  }

  /** See `BlobStore.read`. */
  async *read(digest: Digest, range: ResolvedRange, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const { index, listing } = this.#deps;
    let unpin = index.pin(digest);
    if (!unpin && !listing.isComplete && (await listing.find(digest))) unpin = index.pin(digest);
    if (!unpin) throw new BlobNotFoundError(digest);
    try {
      const place = index.placeOf(digest);
      if (place?.segment === 0) yield* this.#readFile(digest, range, signal);
      else yield* this.#readPacked(digest, range);
    } finally {
      unpin();
    }
  }

  async *#readFile(digest: Digest, range: ResolvedRange, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const file = await this.#openWhole(digest);
    try {
      yield* readFileRange(file, range, signal);
    } finally {
      await file.close();
    }
  }

  /** Opens a blob's file if it has the right size; otherwise the blob is lost. */
  async #openWhole(digest: Digest): Promise<FileHandle> {
    let file: FileHandle | undefined;
    try {
      file = await this.#deps.files.open(digest.key);
      if ((await file.stat()).size === digest.sizeBytes) return file;
    } catch (reason) {
      if (errnoOf(reason) !== 'ENOENT') throw reason;
    }
    await file?.close();
    throw await this.#lost(digest);
  }

  async *#readPacked(digest: Digest, { offset, length }: ResolvedRange): AsyncIterable<Uint8Array> {
    const { index, packs } = this.#deps;
    let tried: PackPlace | undefined;
    for (let place = index.placeOf(digest); place; place = index.placeOf(digest)) {
      const data = await packs.read({ ...place, offset: place.offset + offset }, length);
      if (data) {
        if (length > 0) yield data;
        return;
      }
      // Once more if it was moved meanwhile.
      if (tried?.segment === place.segment && tried.offset === place.offset) throw await this.#lost(digest);
      tried = place;
    }
    throw new BlobNotFoundError(digest);
  }

  async #lost(digest: Digest): Promise<BlobNotFoundError> {
    const { remover, logger } = this.#deps;
    await remover.quarantine(digest);
    logger.error({ digest }, 'A stored blob was lost: it is damaged or gone from the disk');
    return new BlobNotFoundError(digest);
  }
}
