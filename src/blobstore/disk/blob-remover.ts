import { forEachConcurrently } from '../../common/async-iteration.js';
import type { KeyedMutex } from '../../common/keyed-mutex.js';
import type { Digest } from '../../digest/digest.js';
import type { PackFolder } from '../packs/pack-folder.js';
import type { BlobFiles } from './blob-files.js';
import type { BlobIndex } from './blob-index.js';
import type { FileListing } from './file-listing.js';
import type { Quarantine } from './quarantine.js';
import { readFileRange } from './read-file.js';
import { movingKey } from './segment-emptier.js';

/** What {@link BlobRemover} works with; all of it belongs to the store. */
export interface BlobRemoverDependencies {
  readonly index: BlobIndex;
  readonly files: BlobFiles;
  readonly packs: PackFolder;
  readonly listing: FileListing;
  readonly quarantine: Quarantine;
  readonly changes: KeyedMutex;
}

/** Takes blobs away because somebody says so, or because they are damaged. */
export class BlobRemover {
  readonly #deps: BlobRemoverDependencies;
  #quarantinedBlobs = 0;

  constructor(dependencies: BlobRemoverDependencies) {
    this.#deps = dependencies;
  }

  /** How many blobs were found damaged. */
  get quarantinedBlobs(): number {
    return this.#quarantinedBlobs;
  }

  /** See `BlobStore.delete`. */
  async delete(digests: readonly Digest[]): Promise<void> {
    await forEachConcurrently(digests, 16, (digest) => this.#deleteFile(digest));
    if (digests.some((digest) => this.#isPacked(digest))) {
      await this.#deps.changes.exclusive(movingKey, () => this.#deletePacked(digests));
    }
  }

  /** Puts a blob aside, after another look at its bytes: a good one may have come in its place. An absent one is ignored. */
  async quarantine(digest: Digest): Promise<void> {
    const { changes } = this.#deps;
    if (this.#isPacked(digest)) await changes.exclusive(movingKey, () => this.#quarantinePacked(digest));
    else await changes.exclusive(digest.key, () => this.#quarantineFile(digest));
  }

  #isPacked(digest: Digest): boolean {
    return (this.#deps.index.placeOf(digest)?.segment ?? 0) > 0;
  }

  async #deleteFile(digest: Digest): Promise<void> {
    const { index, files, listing, changes } = this.#deps;
    const { key } = digest;
    await changes.exclusive(key, async () => {
      const place = index.placeOf(digest);
      if (place ? place.segment > 0 : listing.isComplete) return;
      listing.noteRemoval(key);
      index.remove(digest);
      await files.remove(key);
    });
  }

  async #deletePacked(digests: readonly Digest[]): Promise<void> {
    const { index, packs } = this.#deps;
    const forgotten = digests.flatMap((digest) => {
      const place = this.#isPacked(digest) ? index.remove(digest) : undefined;
      return place ? [{ digest, place }] : [];
    });
    if (forgotten.length > 0) await packs.forget(forgotten);
  }

  async #quarantinePacked(digest: Digest): Promise<void> {
    const { index, packs, quarantine } = this.#deps;
    const place = index.placeOf(digest);
    if (!place || place.segment === 0) return;
    const data = await packs.read(place, digest.sizeBytes);
    if (data && digest.function.hash(data) === digest.hash) return;
    if (data) await quarantine.keep(digest, data);
    index.remove(digest);
    this.#quarantinedBlobs += 1;
    await packs.forget([{ digest, place }]);
  }

  async #quarantineFile(digest: Digest): Promise<void> {
    const { index, files, listing, quarantine } = this.#deps;
    const sizeBytes = await files.sizeOf(digest.key);
    if (sizeBytes === undefined) {
      index.remove(digest);
      return;
    }
    if (sizeBytes === digest.sizeBytes && (await this.#hashOf(digest)) === digest.hash) return;
    listing.noteRemoval(digest.key);
    index.remove(digest);
    this.#quarantinedBlobs += 1;
    await quarantine.takeFile(files, digest);
  }

  async #hashOf({ key, sizeBytes, function: fn }: Digest): Promise<string> {
    await using file = await this.#deps.files.open(key);
    const hasher = fn.createHasher();
    for await (const chunk of readFileRange(file, { offset: 0, length: sizeBytes })) hasher.update(chunk);
    return hasher.digest();
  }
}
