import type { Blob, BlobStore, WriteOutcome } from '../blobstore/blob-store.js';
import type { ZstdCodec } from '../codec/zstd/zstd-codec.js';
import { forEachConcurrently } from '../common/async-iteration.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { WeightedSemaphore } from '../common/weighted-semaphore.js';
import { Digest, type DigestMessage } from '../digest/digest.js';
import { digestFunctionOf } from '../digest/digest-function.js';
import { decodeMessage } from '../proto/any.js';
import { reapi } from '../proto/index.js';
import { statusMessageOf } from '../proto/status.js';
import { blobOfEntry, readEntry } from './batch-entries.js';
import { BatchUpdateBytes } from './batch-update-bytes.js';
import type { CallContext } from './call-context.js';
import { findMissingInBytes } from './find-missing-bytes.js';
import type { InstanceRegistry } from './instance-registry.js';
import {
  batchEntryOverheadBytes,
  maxBatchBytesInFlight,
  maxBatchBytesWaiting,
  maxBatchEntries,
  maxBatchTotalSizeBytes,
} from './limits.js';
import { sharedZstd } from './shared-zstd.js';
import { spliceBlob } from './splice-blob.js';
import { splitBlob, splitMemoryBytes } from './split-blob.js';
import { treePages } from './tree-pages.js';

const { ZSTD } = reapi.Compressor.Value;
const { FAST_CDC_2020 } = reapi.ChunkingFunction.Value;

/** Blobs of a batch that are read side by side. */
const readsAtOnce = 16;

/** Serves `ContentAddressableStorage` from the blob stores of its instances. */
export class ContentAddressableStorageService {
  readonly #registry: InstanceRegistry;
  readonly #bytesInFlight: WeightedSemaphore;
  readonly #zstd: ZstdCodec;

  /** Builds ask for thousands of digests, most of which are there, and bring thousands of small blobs. */
  readonly raw = {
    batchUpdateBlobs: (request: Buffer, context: CallContext): Promise<Uint8Array> => {
      const batch = BatchUpdateBytes.parse(request);
      return batch ? this.#batchUpdateInBytes(batch, context) : this.#batchUpdateDecoded(request, context);
    },
    findMissingBlobs: (request: Buffer, context: CallContext): Uint8Array | Promise<Uint8Array> =>
      findMissingInBytes(request, (instanceName) => this.#registry.blobs(instanceName).presence) ??
      this.#findMissingDecoded(request, context),
  };

  /** `bytesInFlight` bounds what all batches under way have in memory together (U4). */
  constructor(
    registry: InstanceRegistry,
    bytesInFlight = new WeightedSemaphore(maxBatchBytesInFlight, maxBatchBytesWaiting),
    zstd = sharedZstd,
  ) {
    this.#registry = registry;
    this.#bytesInFlight = bytesInFlight;
    this.#zstd = zstd;
  }

  async findMissingBlobs(
    { instanceName, blobDigests, digestFunction }: reapi.FindMissingBlobsRequest,
    { signal }: CallContext,
  ): Promise<reapi.FindMissingBlobsResponse.$Properties> {
    const blobs = this.#registry.blobs(instanceName);
    const fn = digestFunctionOf(digestFunction, blobDigests[0]?.hash);
    const digests = blobDigests.map((digest) => Digest.fromProto(digest, fn));
    const missing = await blobs.findMissing(digests, signal);
    return { missingBlobDigests: missing.map((digest) => digest.toProto()) };
  }

  async #findMissingDecoded(request: Buffer, context: CallContext): Promise<Uint8Array> {
    const decoded = decodeMessage('a FindMissingBlobsRequest', reapi.FindMissingBlobsRequest, request);
    return reapi.FindMissingBlobsResponse.encode(await this.findMissingBlobs(decoded, context)).finish();
  }

  async batchUpdateBlobs(
    { instanceName, requests, digestFunction }: reapi.BatchUpdateBlobsRequest,
    context: CallContext,
  ): Promise<reapi.BatchUpdateBlobsResponse.$Properties> {
    const blobs = this.#registry.writableBlobs(instanceName);
    const dataBytes = requests.reduce((sum, { data }) => sum + (data?.length ?? 0), 0);
    const sizeBytes = Math.max(dataBytes, announcedBytes(requests.map(({ digest }) => digest)));
    await this.#admit(sizeBytes, requests.length, context);
    const check = (digest: Digest): void => this.#registry.assertFits(instanceName, digest);
    const terms = { digestFunction, zstd: this.#zstd, check };
    const parsed: (Blob | StatusError)[] = [];
    for (const request of requests) {
      const entry = blobOfEntry(request, terms, context.signal);
      parsed.push(entry instanceof Promise ? await entry : entry);
    }
    const outcomes = await writeGood(blobs, parsed, context.signal);
    const responses = outcomes.map((outcome, index) => {
      return { digest: requests[index]?.digest ?? null, status: statusMessageOf(outcome) };
    });
    return { responses };
  }

  async #batchUpdateInBytes(batch: BatchUpdateBytes, context: CallContext): Promise<Uint8Array> {
    const { instanceName, blobs } = batch;
    const store = this.#registry.writableBlobs(instanceName);
    let dataBytes = 0;
    let announced = 0;
    for (const { digest, data } of blobs) {
      dataBytes += data.length;
      announced += digest.sizeBytes;
    }
    await this.#admit(Math.max(dataBytes, announced), blobs.length, context);
    const { maxBlobBytes = Infinity } = this.#registry.get(instanceName);
    const fitting = blobs.map((blob) =>
      blob.digest.sizeBytes > maxBlobBytes ? this.#misfit(instanceName, blob) : blob,
    );
    return batch.response(await writeGood(store, fitting, context.signal));
  }

  #misfit(instanceName: string, blob: Blob): Blob | StatusError {
    try {
      this.#registry.assertFits(instanceName, blob.digest);
      return blob;
    } catch (reason) {
      return StatusError.from(reason);
    }
  }

  async #batchUpdateDecoded(request: Buffer, context: CallContext): Promise<Uint8Array> {
    const decoded = decodeMessage('a BatchUpdateBlobsRequest', reapi.BatchUpdateBlobsRequest, request);
    return reapi.BatchUpdateBlobsResponse.encode(await this.batchUpdateBlobs(decoded, context)).finish();
  }

  async batchReadBlobs(
    { instanceName, digests, digestFunction, acceptableCompressors }: reapi.BatchReadBlobsRequest,
    context: CallContext,
  ): Promise<reapi.BatchReadBlobsResponse.$Properties> {
    const blobs = this.#registry.blobs(instanceName);
    await this.#admit(announcedBytes(digests), digests.length, context);
    const terms = { digestFunction, zstd: this.#zstd, acceptsZstd: acceptableCompressors.includes(ZSTD) };
    const responses: reapi.BatchReadBlobsResponse.Response.$Properties[] = [];
    await forEachConcurrently(digests.entries(), readsAtOnce, async ([index, digest]) => {
      responses[index] = await readEntry(blobs, digest, terms, context.signal);
    });
    return { responses };
  }

  async *getTree(
    { instanceName, rootDigest, pageSize, pageToken, digestFunction }: reapi.GetTreeRequest,
    { signal }: CallContext,
  ): AsyncIterable<reapi.GetTreeResponse.$Properties> {
    const blobs = this.#registry.blobs(instanceName);
    const root = Digest.fromProto(rootDigest, digestFunctionOf(digestFunction, rootDigest?.hash));
    yield* treePages(blobs, { root, pageSize, pageToken }, signal);
  }

  async splitBlob(
    { instanceName, blobDigest, digestFunction }: reapi.SplitBlobRequest,
    context: CallContext,
  ): Promise<reapi.SplitBlobResponse.$Properties> {
    // Chunks are blobs of their own.
    const blobs = this.#registry.writableBlobs(instanceName);
    const digest = Digest.fromProto(blobDigest, digestFunctionOf(digestFunction, blobDigest?.hash));
    context.onTermination(await this.#bytesInFlight.acquire(splitMemoryBytes, context.signal));
    const chunks = await splitBlob(blobs, digest, context.signal);
    return { chunkDigests: chunks.map((chunk) => chunk.toProto()), chunkingFunction: FAST_CDC_2020 };
  }

  async spliceBlob(
    { instanceName, blobDigest, chunkDigests, digestFunction }: reapi.SpliceBlobRequest,
    { signal }: CallContext,
  ): Promise<reapi.SpliceBlobResponse.$Properties> {
    const blobs = this.#registry.writableBlobs(instanceName);
    const fn = digestFunctionOf(digestFunction, blobDigest?.hash);
    const digest = Digest.fromProto(blobDigest, fn);
    const chunks = chunkDigests.map((chunk) => Digest.fromProto(chunk, fn));
    this.#registry.assertFits(instanceName, digest);
    await spliceBlob(blobs, digest, chunks, signal);
    return { blobDigest: digest.toProto() };
  }

  /** Refuses a batch that is too large (CAS-6, CAS-8), and lets others wait until there is memory for them. */
  async #admit(sizeBytes: number, count: number, context: CallContext): Promise<void> {
    if (sizeBytes > maxBatchTotalSizeBytes) {
      throw new StatusError(
        Code.InvalidArgument,
        `The batch has ${sizeBytes} bytes; at most ${maxBatchTotalSizeBytes} are allowed: split it, or use ByteStream`,
      );
    }
    if (count > maxBatchEntries) {
      throw new StatusError(
        Code.InvalidArgument,
        `The batch has ${count} entries; at most ${maxBatchEntries} are allowed: split it`,
      );
    }
    const weight = sizeBytes + count * batchEntryOverheadBytes;
    context.onTermination(await this.#bytesInFlight.acquire(weight, context.signal));
  }
}

/** What the digests of a batch claim; those that claim nonsense are dealt with one by one. */
function announcedBytes(digests: readonly (DigestMessage | null | undefined)[]): number {
  return digests.reduce((sum, digest) => sum + Math.max(0, digest?.sizeBytes ?? 0), 0);
}

/** Writes those entries of a batch that are blobs. Returns an outcome for each entry. */
async function writeGood(
  store: BlobStore,
  entries: readonly (Blob | StatusError)[],
  signal: AbortSignal,
): Promise<readonly WriteOutcome[]> {
  const good = entries.filter((entry): entry is Blob => !(entry instanceof StatusError));
  const written = await store.writeBatch(good, signal);
  if (good.length === entries.length) return written;
  const outcomes = written.values();
  return entries.map((entry) => (entry instanceof StatusError ? entry : outcomes.next().value));
}
