import { collectBytes, forEachConcurrently, inParts } from '../../common/async-iteration.js';
import { Code } from '../../common/code.js';
import { type Logger, silentLogger } from '../../common/logger.js';
import { StatusError } from '../../common/status-error.js';
import { WeightedSemaphore } from '../../common/weighted-semaphore.js';
import type { Digest } from '../../digest/digest.js';
import { BucketTemplate } from '../../s3/bucket-template.js';
import type { S3Connection } from '../../s3/s3-connection.js';
import { S3Download } from '../../s3/s3-download.js';
import type { S3Place } from '../../s3/s3-object.js';
import { S3Objects } from '../../s3/s3-objects.js';
import { S3Upload } from '../../s3/s3-upload.js';
import { type Blob, BlobNotFoundError, type BlobStore, type ByteRange, type WriteOutcome } from '../blob-store.js';
import { checkSize, sizeMismatch } from '../check-size.js';
import { resolveRange } from '../resolve-range.js';
import { buildGridKey } from './buildgrid-key.js';

/** What {@link S3BlobStore} is told. */
export interface S3BlobStoreOptions {
  readonly connection: S3Connection;
  /** A bucket, or BuildGrid's template for several: {@link BucketTemplate}. */
  readonly bucket: string;
  /** How many bytes of uploads are held in memory; writers beyond it wait. @defaultValue 256 MiB */
  readonly maxBytesInFlight?: number;
  readonly logger?: Logger;
}

/** Blobs up to this size go in one request, larger ones in parts of at least this size. */
const partBytes = 8 * 1024 * 1024;

/** As many as S3 takes. */
const maxParts = 10_000;

/** A large upload has two parts on their way and one that fills up. */
const partsInMemory = 3;

const requestsOfOneCall = 64;

/**
 * Keeps blobs in buckets of any S3 service, where BuildGrid's are: an object `HASH_SIZE` each. Durable as the service is.
 * An object whose length is not that of its blob counts as absent. How long blobs live is up to the buckets' rules: to
 * find one does not make it younger.
 */
export class S3BlobStore implements BlobStore {
  readonly #objects: S3Objects;
  readonly #download: S3Download;
  readonly #upload: S3Upload;
  readonly #buckets: BucketTemplate;
  readonly #memory: WeightedSemaphore;

  constructor({ connection, bucket, maxBytesInFlight = 256 * 1024 ** 2, logger = silentLogger }: S3BlobStoreOptions) {
    this.#objects = new S3Objects(connection);
    this.#download = new S3Download(connection);
    this.#upload = new S3Upload(connection, logger);
    this.#buckets = new BucketTemplate(bucket);
    this.#memory = new WeightedSemaphore(maxBytesInFlight);
  }

  async findMissing(digests: readonly Digest[], signal?: AbortSignal): Promise<Digest[]> {
    signal?.throwIfAborted();
    const candidates = new Map(digests.map((digest) => [digest.key, digest]));
    const missing = new Set<string>();
    await forEachConcurrently(candidates.values(), requestsOfOneCall, async (digest) => {
      if (!(await this.#has(digest, signal))) missing.add(digest.key);
    });
    return [...candidates.values()].filter(({ key }) => missing.has(key));
  }

  async *read(digest: Digest, range?: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const resolved = resolveRange(digest, range);
    signal?.throwIfAborted();
    if (resolved.length === 0) {
      if (!(await this.#has(digest, signal))) throw new BlobNotFoundError(digest);
      return;
    }
    try {
      yield* this.#download.read(this.#placeOf(digest), { ...resolved, totalBytes: digest.sizeBytes }, signal);
    } catch (reason) {
      if (reason instanceof StatusError && reason.code === Code.NotFound) throw new BlobNotFoundError(digest);
      throw reason;
    }
  }

  async write(digest: Digest, content: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const checked = checkSize(digest, content, signal);
    if (digest.sizeBytes <= partBytes) {
      await this.#holding(digest.sizeBytes, signal, async () => {
        await this.#objects.put(this.#placeOf(digest), await collectBytes(checked), {}, signal);
      });
      return;
    }
    if (await this.#has(digest, signal)) return;
    const size = Math.max(partBytes, Math.ceil(digest.sizeBytes / maxParts));
    await this.#holding(partsInMemory * size, signal, () =>
      this.#upload.send(this.#placeOf(digest), inParts(checked, size), signal),
    );
  }

  async writeBatch(blobs: readonly Blob[], signal?: AbortSignal): Promise<readonly WriteOutcome[]> {
    signal?.throwIfAborted();
    const outcomes: WriteOutcome[] = blobs.map(() => undefined);
    await forEachConcurrently(blobs.entries(), requestsOfOneCall, async ([index, { digest, data }]) => {
      try {
        if (data.length !== digest.sizeBytes) throw sizeMismatch(digest, data.length);
        await this.#objects.put(this.#placeOf(digest), data, {}, signal);
      } catch (reason) {
        outcomes[index] = StatusError.from(reason);
      }
    });
    return outcomes;
  }

  async delete(digests: readonly Digest[], signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const keysOf = new Map<string, Set<string>>();
    for (const { bucket, key } of digests.map((digest) => this.#placeOf(digest))) {
      const keys = keysOf.get(bucket) ?? new Set();
      keysOf.set(bucket, keys.add(key));
    }
    for (const [bucket, keys] of keysOf) await this.#objects.delete(bucket, [...keys], signal);
  }

  async #has(digest: Digest, signal?: AbortSignal): Promise<boolean> {
    return (await this.#objects.sizeOf(this.#placeOf(digest), signal)) === digest.sizeBytes;
  }

  async #holding(sizeBytes: number, signal: AbortSignal | undefined, task: () => Promise<void>): Promise<void> {
    const release = await this.#memory.acquire(sizeBytes, signal);
    try {
      await task();
    } finally {
      release();
    }
  }

  #placeOf(digest: Digest): S3Place {
    return { bucket: this.#buckets.bucketFor(digest.hash), key: buildGridKey(digest) };
  }
}
