import { readFile } from 'node:fs/promises';
import { forEachConcurrently } from '../common/async-iteration.js';
import { StatusError } from '../common/status-error.js';
import type { BlobSource } from '../blobstore/blob-source.js';
import type { Blob, BlobStore } from '../blobstore/blob-store.js';
import { sizeMismatch } from '../blobstore/check-size.js';
import { isSmall } from '../blobstore/small-blobs.js';
import type { Digest } from '../digest/digest.js';
import { fileError, openFlags } from '../merkle/digest-file.js';
import { packBatches } from './batch.js';
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

/** How {@link uploadMissing} goes about it. */
export interface UploadOptions {
  /** Told after each change. */
  readonly onProgress?: (progress: UploadProgress) => void;
  /**
   * Sends every blob, without asking which are missing: for blobs that the server says it lacks, whatever
   * FindMissingBlobs says (CL-4). @defaultValue false
   */
  readonly isMissingKnown?: boolean;
}

/** How many sources are looked at together. */
const portionSize = 5_000;

const concurrentBatches = 4;
const concurrentStreams = 4;
const concurrentFiles = 16;

/**
 * Stores what `blobs` lacks of `sources`: each distinct blob once, small ones in batches, large ones as streams, a few at
 * a time, in bounded memory. Rejects with the first failure, naming the blob or file.
 */
export async function uploadMissing(
  blobs: BlobStore,
  sources: Iterable<BlobSource> | AsyncIterable<BlobSource>,
  options: UploadOptions = {},
  signal?: AbortSignal,
): Promise<UploadProgress> {
  const upload = new Upload(blobs, options, signal);
  for await (const portion of distinctPortions(sources)) await upload.add(portion);
  return upload.progress;
}

/** Groups sources, leaving out repetitions and the empty blob, which is everywhere (DIG-6). */
async function* distinctPortions(
  sources: Iterable<BlobSource> | AsyncIterable<BlobSource>,
): AsyncGenerator<BlobSource[]> {
  const seen = new Set<string>();
  let portion: BlobSource[] = [];
  for await (const source of sources) {
    const { key, isEmpty } = source.digest;
    if (isEmpty || seen.has(key)) continue;
    seen.add(key);
    portion.push(source);
    if (portion.length < portionSize) continue;
    yield portion;
    portion = [];
  }
  if (portion.length > 0) yield portion;
}

class Upload {
  readonly #blobs: BlobStore;
  readonly #options: UploadOptions;
  readonly #signal: AbortSignal | undefined;
  #progress: UploadProgress = { totalBlobs: 0, totalBytes: 0, uploadedBlobs: 0, uploadedBytes: 0 };

  constructor(blobs: BlobStore, options: UploadOptions, signal: AbortSignal | undefined) {
    this.#blobs = blobs;
    this.#options = options;
    this.#signal = signal;
  }

  get progress(): UploadProgress {
    return this.#progress;
  }

  async add(sources: readonly BlobSource[]): Promise<void> {
    const { totalBlobs, totalBytes } = this.#progress;
    const missing = await this.#missing(sources);
    this.#report({ totalBlobs: totalBlobs + sources.length, totalBytes: totalBytes + sizeBytesOf(sources) });
    const small = packBatches(missing.filter(isSmall), usefulBatchBytes);
    const large = missing.filter((source) => !isSmall(source));
    await forEachConcurrently(small, concurrentBatches, (batch) => this.#sendBatch(batch));
    await forEachConcurrently(large, concurrentStreams, (source) => this.#stream(source));
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
