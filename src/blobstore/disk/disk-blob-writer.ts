import { rm } from 'node:fs/promises';
import { bytesOnce, collectBytes, forEachConcurrently } from '../../common/async-iteration.js';
import { Code } from '../../common/code.js';
import type { KeyedMutex } from '../../common/keyed-mutex.js';
import type { Logger } from '../../common/logger.js';
import { StatusError } from '../../common/status-error.js';
import { storageError } from '../../common/storage-error.js';
import type { Digest } from '../../digest/digest.js';
import type { Blob, WriteOutcome } from '../blob-store.js';
import { checkSize, sizeMismatch } from '../check-size.js';
import { type PackFolder, maxPackedBlobBytes } from '../packs/pack-folder.js';
import type { ForgottenBlob, PackPlace } from '../packs/pack-place.js';
import { packedBytes } from '../packs/pack-record.js';
import type { BlobFiles } from './blob-files.js';
import { type BlobIndex, ownFile } from './blob-index.js';
import type { DiskBudget } from './disk-budget.js';
import type { FileListing } from './file-listing.js';
import { writeFileDurably } from './write-file.js';

/** What {@link DiskBlobWriter} works with; all of it belongs to the store. */
export interface DiskBlobWriterDependencies {
  readonly files: BlobFiles;
  readonly packs: PackFolder;
  readonly index: BlobIndex;
  readonly listing: FileListing;
  readonly budget: DiskBudget;
  /** Held by whoever adds or removes the file of a blob. */
  readonly changes: KeyedMutex;
  readonly logger: Logger;
}

/** So much room is set aside for an upload at a time. */
const reservationStep = 16 * 1024 * 1024;

/** What went wrong with blobs that were appended together, by their keys. */
type Failures = ReadonlyMap<string, StatusError>;

const noFailures: Failures = new Map();

/**
 * Brings blobs to the disk, and then into the index: small ones together into a pack, each large one under a temporary name
 * and then durably under its own.
 */
export class DiskBlobWriter {
  readonly #deps: DiskBlobWriterDependencies;
  /** Small blobs on their way to the disk: whoever brings one of them, too, waits for it. */
  readonly #underWay = new Map<string, Promise<Failures>>();
  #isFailing = false;

  constructor(dependencies: DiskBlobWriterDependencies) {
    this.#deps = dependencies;
  }

  /** See `BlobStore.write`. Each writer brings its own bytes: none is kept waiting by another, whose client may stall. */
  async write(digest: Digest, content: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
    if (await this.#isPresent(digest)) return;
    const checked = checkSize(digest, content, signal);
    if (digest.sizeBytes > maxPackedBlobBytes) return this.#writeFile(digest, checked, signal);
    await this.#refuseWithoutRoom(digest);
    const failures = await this.#pack([{ digest, data: await collectBytes(checked) }]);
    const failure = failures.get(digest.key);
    if (failure) throw failure;
  }

  /** See `BlobStore.writeBatch`. */
  async writeBatch(blobs: readonly Blob[], signal?: AbortSignal): Promise<readonly WriteOutcome[]> {
    const outcomes: WriteOutcome[] = blobs.map(() => undefined);
    const small: Blob[] = [];
    const large = new Map<number, Blob>();
    let position = -1;
    for (const blob of blobs) {
      position += 1;
      const { digest, data } = blob;
      const isSmall = data.length === digest.sizeBytes && data.length <= maxPackedBlobBytes;
      // A small one is looked up when it is packed, unless its file has to be looked for.
      if (isSmall && this.#deps.listing.isComplete) small.push(blob);
      else if (await this.#isPresent(digest)) continue;
      else if (isSmall) small.push(blob);
      else if (data.length === digest.sizeBytes) large.set(position, blob);
      else outcomes[position] = sizeMismatch(digest, data.length);
    }
    const failures = this.#pack(small);
    await forEachConcurrently(large, 8, async ([position, blob]) => {
      outcomes[position] = await this.#writeLarge(blob, signal);
    });
    return overlaid(blobs, outcomes, await failures);
  }

  async #writeLarge({ digest, data }: Blob, signal?: AbortSignal): Promise<WriteOutcome> {
    try {
      await this.write(digest, bytesOnce(data), signal);
      return undefined;
    } catch (reason) {
      return StatusError.from(reason);
    }
  }

  async #isPresent(digest: Digest): Promise<boolean> {
    const { index, listing } = this.#deps;
    return index.touch(digest) || (!listing.isComplete && (await listing.find(digest)));
  }

  async #refuseWithoutRoom(digest: Digest): Promise<void> {
    try {
      await this.#deps.budget.check(digest.sizeBytes);
    } catch (reason) {
      throw this.#failure(digest, reason);
    }
  }

  /** Stores small blobs of the right size together. Returns what went wrong. Never rejects. */
  async #pack(blobs: readonly Blob[]): Promise<Failures> {
    const fresh: Blob[] = [];
    const others = new Set<Promise<Failures>>();
    // It begins after this turn: by then all of them are known.
    const group = Promise.resolve().then(() => this.#append(fresh));
    for (const blob of blobs) {
      if (this.#deps.index.touch(blob.digest)) continue;
      const { key } = blob.digest;
      const other = this.#underWay.get(key);
      if (other) others.add(other);
      else this.#underWay.set(key, group);
      if (!other) fresh.push(blob);
    }
    const failures = await group;
    for (const { digest } of fresh) this.#underWay.delete(digest.key);
    others.delete(group);
    if (others.size === 0) return failures;
    const all = await Promise.all([group, ...others]);
    return new Map(all.flatMap((each) => [...each]));
  }

  /** Returns what went wrong, by key. Never rejects. */
  async #append(blobs: readonly Blob[]): Promise<Failures> {
    if (blobs.length === 0) return noFailures;
    const { packs } = this.#deps;
    const failures = new Map<string, StatusError>();
    const releases: (() => void)[] = [];
    const roomy = await this.#reserve(blobs, releases, failures);
    try {
      const places = roomy.length > 0 ? await packs.append(roomy) : [];
      // Nothing may come between: a record that the index does not know is taken for one that nobody needs.
      const strays = this.#enter(roomy, places);
      if (roomy.length > 0) this.#noteSuccess();
      if (strays.length > 0) await packs.forget(strays);
    } catch (reason) {
      for (const { digest } of roomy) failures.set(digest.key, this.#failure(digest, reason));
    } finally {
      for (const release of releases) release();
    }
    return failures;
  }

  /** Returns those records that were not needed, as their blobs were there. */
  #enter(blobs: readonly Blob[], places: readonly PackPlace[]): ForgottenBlob[] {
    const strays: ForgottenBlob[] = [];
    for (const [position, place] of places.entries()) {
      const digest = blobs[position]?.digest;
      if (digest && !this.#deps.index.add(digest, place)) strays.push({ digest, place });
    }
    return strays;
  }

  /** Sets room aside for small blobs. Returns those for which there is some. */
  async #reserve(
    blobs: readonly Blob[],
    releases: (() => void)[],
    failures: Map<string, StatusError>,
  ): Promise<readonly Blob[]> {
    const { budget } = this.#deps;
    const roomy: Blob[] = [];
    try {
      releases.push(await budget.reserve(blobs.reduce((sum, blob) => sum + neededBytes(blob), 0)));
      return blobs;
    } catch {
      // There may be room for some.
    }
    for (const blob of blobs) {
      const { digest } = blob;
      try {
        releases.push(await budget.reserve(neededBytes(blob)));
        roomy.push(blob);
      } catch (reason) {
        failures.set(digest.key, this.#failure(digest, reason));
      }
    }
    return roomy;
  }

  async #writeFile(digest: Digest, content: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
    const { budget, files } = this.#deps;
    const temporary = files.temporaryName();
    const releases: (() => void)[] = [];
    try {
      await budget.check(digest.sizeBytes);
      await writeFileDurably(temporary, this.#reserving(digest, content, releases));
      await this.#commit(digest, temporary, signal);
      this.#noteSuccess();
    } catch (reason) {
      await rm(temporary, { force: true });
      throw this.#failure(digest, reason);
    } finally {
      for (const release of releases) release();
    }
  }

  /** Sets room aside as the bytes come in: a client that announces many and sends none takes room from nobody. */
  async *#reserving(
    { sizeBytes }: Digest,
    content: AsyncIterable<Uint8Array>,
    releases: (() => void)[],
  ): AsyncIterable<Uint8Array> {
    let receivedBytes = 0;
    let reservedBytes = 0;
    for await (const chunk of content) {
      receivedBytes += chunk.length;
      while (reservedBytes < receivedBytes) {
        const step = Math.min(reservationStep, sizeBytes - reservedBytes);
        releases.push(await this.#deps.budget.reserve(step));
        reservedBytes += step;
      }
      yield chunk;
    }
  }

  /** The first to come this far wins; for the others there is nothing left to do. */
  async #commit(digest: Digest, temporary: string, signal?: AbortSignal): Promise<void> {
    const { changes, files, index } = this.#deps;
    const { key } = digest;
    await changes.exclusive(
      key,
      async () => {
        if (index.touch(digest)) return rm(temporary, { force: true });
        await files.commit(temporary, key);
        index.add(digest, ownFile);
      },
      signal,
    );
  }

  /** Trouble of the disk is logged once, not for each of the thousands of blobs that it keeps out (U5). */
  #failure(digest: Digest, reason: unknown): StatusError {
    const error = storageError(reason, `Storing blob ${String(digest)}`);
    const isTrouble = error.code === Code.ResourceExhausted || error.code === Code.Unavailable;
    if (isTrouble && !this.#isFailing) {
      this.#isFailing = true;
      this.#deps.logger.error({ err: error, digest }, 'Blobs cannot be stored');
    }
    return error;
  }

  #noteSuccess(): void {
    if (!this.#isFailing) return;
    this.#isFailing = false;
    this.#deps.logger.info({}, 'Blobs can be stored again');
  }
}

function overlaid(
  blobs: readonly Blob[],
  outcomes: readonly WriteOutcome[],
  failures: Failures,
): readonly WriteOutcome[] {
  if (failures.size === 0) return outcomes;
  return outcomes.map((outcome, position) => outcome ?? failures.get(blobs[position]?.digest.key ?? ''));
}

/** What a small blob takes on the disk. */
function neededBytes({ digest }: Blob): number {
  return packedBytes(digest.function, digest.sizeBytes);
}
