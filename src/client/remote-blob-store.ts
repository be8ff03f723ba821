import { forEachConcurrently } from '../common/async-iteration.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { Blob, BlobStore, ByteRange, WriteOutcome } from '../blobstore/blob-store.js';
import { BlobNotFoundError } from '../blobstore/blob-store.js';
import { resolveRange } from '../blobstore/resolve-range.js';
import { isSmall } from '../blobstore/small-blobs.js';
import type { MeasurableStore, StoreStats } from '../blobstore/store-stats.js';
import type { Digest } from '../digest/digest.js';
import { AdminClient } from './admin-client.js';
import { wireKeyOf } from './batch.js';
import { BatchReader } from './batch-reader.js';
import { BatchWriter } from './batch-writer.js';
import { readByStream } from './byte-stream-reader.js';
import { writeByStream } from './byte-stream-writer.js';
import { CasLimitsSource } from './cas-limits.js';
import { methods } from './method.js';
import { callUnary, functionValueOf, type RemoteInstance } from './remote-instance.js';
import { StreamCompression } from './stream-compression.js';

/** Keeps a FindMissingBlobs message of the longest hashes below 1 MiB. */
const digestsPerCall = 5_000;

const concurrentCalls = 4;

/**
 * The CAS of any REAPI server. Whole blobs are verified while they are read, so that nobody sees the end of a wrong one;
 * calls are repeated with back-off while that may help, and broken streams are taken up where they broke. The empty
 * blob is never asked for nor sent (DIG-6).
 */
export class RemoteBlobStore implements BlobStore, MeasurableStore {
  readonly #remote: RemoteInstance;
  readonly #limits: CasLimitsSource;
  readonly #reader: BatchReader;
  readonly #writer: BatchWriter;
  readonly #compression: StreamCompression;

  constructor(remote: RemoteInstance) {
    this.#remote = remote;
    this.#limits = new CasLimitsSource(remote);
    this.#reader = new BatchReader(remote, this.#limits);
    this.#writer = new BatchWriter(remote, this.#limits);
    this.#compression = new StreamCompression(remote, this.#limits);
  }

  async findMissing(digests: readonly Digest[], signal?: AbortSignal): Promise<Digest[]> {
    const missing = new Map<string, Digest>();
    await forEachConcurrently(chunksOf(digests), concurrentCalls, async (chunk) => {
      for (const digest of await this.#findMissing(chunk, signal)) missing.set(digest.key, digest);
    });
    return [...missing.values()];
  }

  /** Small whole blobs asked for in one turn of the event loop share their calls. */
  async *read(
    digest: Digest,
    range: ByteRange = {},
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const { length } = resolveRange(digest, range);
    if (digest.isEmpty) return;
    await digest.function.load();
    if (length === 0) {
      const [absent] = await this.findMissing([digest], signal);
      if (absent) throw new BlobNotFoundError(absent);
    } else if (length === digest.sizeBytes && isSmall({ digest })) {
      yield await this.#reader.read(digest, signal);
    } else {
      const zstd = await this.#compression.forRead(digest, signal);
      yield* readByStream(this.#remote, digest, { ...range, zstd }, signal);
    }
  }

  /** An upload that breaks can be resumed as far as `content` can be read again: `SeekableContent` from anywhere. */
  async write(digest: Digest, content: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
    if (digest.isEmpty) return;
    const { maxBlobBytes } = await this.#limits.get(signal);
    if (digest.sizeBytes > maxBlobBytes) {
      throw new StatusError(
        Code.InvalidArgument,
        `Blob ${String(digest)} is too large for ${this.#remote.channel.url}, which takes up to ${maxBlobBytes} bytes`,
      );
    }
    const zstd = await this.#compression.forWrite(digest, content, signal);
    await writeByStream(this.#remote, { digest, content, zstd }, signal);
  }

  writeBatch(blobs: readonly Blob[], signal?: AbortSignal): Promise<readonly WriteOutcome[]> {
    return this.#writer.write(blobs, signal);
  }

  /** Rejects: the protocol has no such call. */
  delete(): Promise<void> {
    return Promise.reject(
      new StatusError(Code.Unimplemented, 'A remote CAS cannot be told to forget blobs: REAPI has no call for it'),
    );
  }

  /** What a `bgd` server says of its whole CAS; any other says nothing, which is UNIMPLEMENTED. */
  async stats(signal?: AbortSignal): Promise<StoreStats> {
    const stats = await new AdminClient(this.#remote).casStats(signal);
    return {
      ...(stats.blobs != null && { blobs: stats.blobs }),
      ...(stats.sizeBytes != null && { sizeBytes: stats.sizeBytes }),
      ...(stats.maxBytes != null && { maxBytes: stats.maxBytes }),
    };
  }

  async #findMissing(digests: readonly Digest[], signal?: AbortSignal): Promise<readonly Digest[]> {
    const asked = new Map(digests.map((digest) => [wireKeyOf(digest), digest]));
    const request = {
      instanceName: this.#remote.instanceName,
      blobDigests: digests.map((digest) => digest.toProto()),
      digestFunction: functionValueOf(digests[0]),
    };
    const { missingBlobDigests } = await callUnary(this.#remote, methods.findMissingBlobs, request, signal);
    return missingBlobDigests.flatMap((message) => asked.get(wireKeyOf(message)) ?? []);
  }
}

/** Distinct digests in portions that one call takes: of one digest function, and not too many. */
function* chunksOf(digests: readonly Digest[]): Generator<Digest[]> {
  const byFunction = new Map<string, Map<string, Digest>>();
  for (const digest of digests) {
    if (digest.isEmpty) continue;
    const { segment } = digest.function;
    const same = byFunction.get(segment) ?? new Map<string, Digest>();
    byFunction.set(segment, same.set(digest.key, digest));
  }
  for (const same of byFunction.values()) {
    const distinct = [...same.values()];
    for (let start = 0; start < distinct.length; start += digestsPerCall) {
      yield distinct.slice(start, start + digestsPerCall);
    }
  }
}
