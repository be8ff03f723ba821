import { readFile } from 'node:fs/promises';
import { forEachConcurrently } from '../common/async-iteration.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { WeightedSemaphore } from '../common/weighted-semaphore.js';
import type { BlobSource } from '../blobstore/blob-source.js';
import type { Blob, BlobStore } from '../blobstore/blob-store.js';
import { sizeMismatch } from '../blobstore/check-size.js';
import { isSmall } from '../blobstore/small-blobs.js';
import type { Digest } from '../digest/digest.js';
import { fileError, openFlags } from '../merkle/digest-file.js';
import { BatchPacker } from './batch.js';
import { usefulBatchBytes } from './cas-limits.js';
import { SeekableContent } from './seekable-content.js';

/** How far an upload has come. */
export interface UploadProgress {
  /** Distinct blobs looked at so far, and their bytes. */
  readonly totalBlobs: number;
  readonly totalBytes: number;
  /** Of these, what the store lacked and has now. */
  readonly uploadedBlobs: number;
  readonly uploadedBytes: number;
}

/** How a {@link MissingUpload} goes about it. */
export interface UploadOptions {
  /** Told after each change. */
  readonly onProgress?: (progress: UploadProgress) => void;
  /**
   * Sends every blob, without asking which are missing: for blobs that the server says it lacks, whatever
   * FindMissingBlobs says (CL-4). @defaultValue false
   */
  readonly isMissingKnown?: boolean;
}

/** So many sources are looked at together, or so many bytes that they bring along. */
const portionSize = 5_000;
const portionBytes = 8 * 1024 * 1024;

const concurrentLooks = 2;
const concurrentBatches = 4;
const concurrentStreams = 4;
const concurrentFiles = 16;

/**
 * Stores what a store lacks of the sources that it is given, each distinct blob once, while more are still being found:
 * small ones in batches, large ones as streams, a few at a time, in bounded memory. Disposal breaks off what is under way.
 */
export class MissingUpload implements AsyncDisposable {
  readonly #blobs: BlobStore;
  readonly #options: UploadOptions;
  readonly #stopping = new AbortController();
  readonly #signal: AbortSignal;
  readonly #looks = new WeightedSemaphore(concurrentLooks);
  readonly #batches = new WeightedSemaphore(concurrentBatches);
  readonly #streams = new WeightedSemaphore(concurrentStreams);
  readonly #seen = new Set<string>();
  readonly #packer = new BatchPacker<BlobSource>(usefulBatchBytes);
  readonly #running = new Set<Promise<void>>();
  #portion: BlobSource[] = [];
  #portionBytes = 0;
  #progress: UploadProgress = { totalBlobs: 0, totalBytes: 0, uploadedBlobs: 0, uploadedBytes: 0 };
  #failure: { readonly reason: unknown } | undefined;

  constructor(blobs: BlobStore, options: UploadOptions = {}, signal?: AbortSignal) {
    this.#blobs = blobs;
    this.#options = options;
    this.#signal = signal ? AbortSignal.any([signal, this.#stopping.signal]) : this.#stopping.signal;
  }

  /**
   * Takes a source. Waits while more is under way than memory should hold; several may wait. Rejects with the first failure,
   * which names the blob or file. The empty blob is everywhere (DIG-6).
   */
  async add(source: BlobSource): Promise<void> {
    const { key, isEmpty } = source.digest;
    if (isEmpty || this.#seen.has(key)) return;
    this.#seen.add(key);
    this.#portion.push(source);
    if ('data' in source) this.#portionBytes += source.data.length;
    if (this.#portion.length >= portionSize || this.#portionBytes >= portionBytes) await this.#look();
  }

  /** Resolves when all that was added is in the store. Rejects as {@link add} does. */
  async finish(): Promise<UploadProgress> {
    await this.#look();
    const rest = this.#packer.take();
    if (rest.length > 0) await this.#start(this.#batches, () => this.#sendBatch(rest));
    await Promise.all(this.#running);
    this.#throwFailure();
    return this.#progress;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort(new StatusError(Code.Cancelled, 'The upload was broken off'));
    await Promise.all(this.#running);
  }

  /** Asks which of the portion are missing, and starts to send those. */
  async #look(): Promise<void> {
    try {
      const release = await this.#looks.acquire(1, this.#signal);
      // Several may have waited for the same portion: it is empty for the later ones.
      const sources = this.#portion;
      this.#portion = [];
      this.#portionBytes = 0;
      await this.#send(sources).finally(release);
    } catch (reason) {
      this.#fail(reason);
    }
    this.#throwFailure();
  }

  async #send(sources: readonly BlobSource[]): Promise<void> {
    if (sources.length === 0) return;
    const missing = await this.#missing(sources);
    const { totalBlobs, totalBytes } = this.#progress;
    this.#report({ totalBlobs: totalBlobs + sources.length, totalBytes: totalBytes + sizeBytesOf(sources) });
    for (const source of missing.filter(isSmall)) {
      const full = this.#packer.add(source);
      if (full) await this.#start(this.#batches, () => this.#sendBatch(full));
    }
    for (const source of missing) {
      if (!isSmall(source)) await this.#start(this.#streams, () => this.#stream(source));
    }
  }

  async #missing(sources: readonly BlobSource[]): Promise<readonly BlobSource[]> {
    if (this.#options.isMissingKnown === true) return sources;
    const byKey = new Map(sources.map((source) => [source.digest.key, source]));
    const missing = await this.#blobs.findMissing(
      sources.map(({ digest }) => digest),
      this.#signal,
    );
    return missing.flatMap(({ key }) => byKey.get(key) ?? []);
  }

  /** Starts a task once it is admitted. */
  async #start(semaphore: WeightedSemaphore, task: () => Promise<void>): Promise<void> {
    const release = await semaphore.acquire(1, this.#signal);
    const running = task()
      .catch((reason: unknown) => this.#fail(reason))
      .finally(() => {
        release();
        this.#running.delete(running);
      });
    this.#running.add(running);
  }

  /** The first failure ends all that is under way, and is thrown to whoever adds or finishes. */
  #fail(reason: unknown): void {
    this.#failure ??= { reason };
    this.#stopping.abort(reason);
  }

  async #sendBatch(sources: readonly BlobSource[]): Promise<void> {
    const batch = new Array<Blob>(sources.length);
    await forEachConcurrently(sources.entries(), concurrentFiles, async ([index, source]) => {
      batch[index] = await load(source);
    });
    const outcomes = await this.#blobs.writeBatch(batch, this.#signal);
    for (const [index, outcome] of outcomes.entries()) {
      if (outcome) throw named(sources[index], outcome);
    }
    this.#uploaded(batch);
  }

  async #stream(source: BlobSource): Promise<void> {
    try {
      await this.#blobs.write(source.digest, new SeekableContent(source), this.#signal);
    } catch (reason) {
      throw named(source, reason);
    }
    this.#uploaded([source]);
  }

  #uploaded(sources: readonly { readonly digest: Digest }[]): void {
    const { uploadedBlobs, uploadedBytes } = this.#progress;
    this.#report({
      uploadedBlobs: uploadedBlobs + sources.length,
      uploadedBytes: uploadedBytes + sizeBytesOf(sources),
    });
  }

  #report(change: Partial<UploadProgress>): void {
    this.#progress = { ...this.#progress, ...change };
    this.#options.onProgress?.(this.#progress);
  }

  #throwFailure(): void {
    if (this.#failure) throw this.#failure.reason;
  }
}

async function load(source: BlobSource): Promise<Blob> {
  const { digest } = source;
  if ('data' in source) return source;
  const data = await readFile(source.path, { flag: openFlags }).catch((reason: unknown) => {
    throw fileError(source.path, reason);
  });
  if (data.length === digest.sizeBytes) return { digest, data };
  throw named(source, sizeMismatch(digest, data.length));
}

/** A file that has changed since it was digested, say, is told by its name: the digest alone means nothing to people. */
function named(source: BlobSource | undefined, reason: unknown): StatusError {
  const error = StatusError.from(reason);
  return source && 'path' in source && !error.message.includes(source.path) ? error.wrap(source.path) : error;
}

function sizeBytesOf(sources: readonly { readonly digest: Digest }[]): number {
  return sources.reduce((sum, { digest }) => sum + digest.sizeBytes, 0);
}
