import { rm } from 'node:fs/promises';
import { bytesOnce, forEachConcurrently } from '../../common/async-iteration.js';
import { Code } from '../../common/code.js';
import type { KeyedMutex } from '../../common/keyed-mutex.js';
import type { Logger } from '../../common/logger.js';
import { StatusError } from '../../common/status-error.js';
import { storageError } from '../../common/storage-error.js';
import type { Digest } from '../../digest/digest.js';
import type { Blob, WriteOutcome } from '../blob-store.js';
import { checkSize, sizeMismatch } from '../check-size.js';
import type { BlobFiles } from '../disk/blob-files.js';
import type { BlobIndex } from './blob-index.js';
import type { DiskBudget } from '../disk/disk-budget.js';
import { writeFileDurably, writeSmallFilesDurably } from '../disk/write-file.js';

/** What {@link DiskBlobWriter} works with; all of it belongs to the store. */
export interface DiskBlobWriterDependencies {
  readonly files: BlobFiles;
  readonly index: BlobIndex;
  readonly budget: DiskBudget;
  /** Held by whoever adds or removes the file of a blob. */
  readonly changes: KeyedMutex;
  readonly logger: Logger;
}

/** A blob of a batch on its way to the disk. */
interface Pending extends Blob {
  readonly temporary: string;
  readonly release: () => void;
}

/** So many small files are written in one go: more would keep the event loop for too long. */
const sliceLength = 32;

/** So much room is set aside for an upload at a time. */
const reservationStep = 16 * 1024 * 1024;

/** Brings blobs to the disk: first under a temporary name, then durably under their own, then into the index. */
export class DiskBlobWriter {
  readonly #deps: DiskBlobWriterDependencies;
  #isFailing = false;

  constructor(dependencies: DiskBlobWriterDependencies) {
    this.#deps = dependencies;
  }

  /** See `BlobStore.write`. Each writer brings its own bytes: none is kept waiting by another, whose client may stall. */
  async write(digest: Digest, content: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
    const { index, budget, files } = this.#deps;
    if (index.touch(digest.key)) return;
    const temporary = files.temporaryName();
    const releases: (() => void)[] = [];
    try {
      await budget.check(digest.sizeBytes);
      const checked = checkSize(digest, content, signal);
      await writeFileDurably(temporary, this.#reserving(digest, checked, releases));
      await this.#commit(digest, temporary, signal);
      this.#noteSuccess();
    } catch (reason) {
      await rm(temporary, { force: true });
      throw this.#failure(digest, reason);
    } finally {
      for (const release of releases) release();
    }
  }

  /** See `BlobStore.writeBatch`. */
  async writeBatch(blobs: readonly Blob[], signal?: AbortSignal): Promise<readonly WriteOutcome[]> {
    const { changes, index } = this.#deps;
    const outcomes = new Map<string, WriteOutcome>();
    const absent = new Map<string, Blob>();
    const busy: Blob[] = [];
    for (const blob of blobs) if (!index.touch(blob.digest.key)) absent.set(blob.digest.key, blob);
    for (const [key, blob] of absent) if (changes.isBusy(key) && absent.delete(key)) busy.push(blob);

    const group = this.#storeTogether([...absent.values()], outcomes);
    for (const key of absent.keys()) void changes.exclusive(key, () => group);
    await group;
    // Those that somebody else is writing come last: nothing is held while waiting for them.
    await forEachConcurrently(busy, 8, async ({ digest, data }) => {
      const failure = await this.write(digest, bytesOnce(data), signal).catch((reason: unknown) =>
        StatusError.from(reason),
      );
      outcomes.set(digest.key, failure ?? undefined);
    });
    return blobs.map(({ digest }) => outcomes.get(digest.key));
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
    const { key, sizeBytes } = digest;
    await changes.exclusive(
      key,
      async () => {
        if (index.touch(key)) return rm(temporary, { force: true });
        await files.commit([{ temporary, key }]);
        index.add(key, sizeBytes);
      },
      signal,
    );
  }

  /** Stores blobs of which nobody else is writing one. Never rejects: what went wrong is in `outcomes`. */
  async #storeTogether(blobs: readonly Blob[], outcomes: Map<string, WriteOutcome>): Promise<void> {
    const written: Pending[] = [];
    for (let start = 0; start < blobs.length; start += sliceLength) {
      written.push(...(await this.#writeSlice(blobs.slice(start, start + sliceLength), outcomes)));
    }
    if (written.length === 0) return;
    const { files, index } = this.#deps;
    try {
      await files.commit(written.map(({ temporary, digest }) => ({ temporary, key: digest.key })));
      for (const { digest } of written) index.add(digest.key, digest.sizeBytes);
      this.#noteSuccess();
    } catch (reason) {
      for (const pending of written) outcomes.set(pending.digest.key, await this.#abandon(pending, reason));
    } finally {
      for (const { release } of written) release();
    }
  }

  /** Writes a few temporary files; those that failed are noted in `outcomes` and gone. */
  async #writeSlice(blobs: readonly Blob[], outcomes: Map<string, WriteOutcome>): Promise<Pending[]> {
    const pending: Pending[] = [];
    for (const { digest, data } of blobs) {
      try {
        if (data.length !== digest.sizeBytes) throw sizeMismatch(digest, data.length);
        const release = await this.#deps.budget.reserve(digest.sizeBytes);
        pending.push({ digest, data, release, temporary: this.#deps.files.temporaryName() });
      } catch (reason) {
        outcomes.set(digest.key, this.#failure(digest, reason));
      }
    }
    const reasons = await writeSmallFilesDurably(pending.map(({ temporary, data }) => ({ path: temporary, data })));
    const written: Pending[] = [];
    for (const [index, each] of pending.entries()) {
      const reason = reasons[index];
      if (reason === undefined) {
        written.push(each);
      } else {
        outcomes.set(each.digest.key, await this.#abandon(each, reason));
        each.release();
      }
    }
    return written;
  }

  async #abandon({ digest, temporary }: Pending, reason: unknown): Promise<StatusError> {
    await rm(temporary, { force: true }).catch(() => undefined); // Swept out at the next start then.
    return this.#failure(digest, reason);
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
