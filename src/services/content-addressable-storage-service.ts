import type { Blob, BlobStore } from '../blobstore/blob-store.js';
import { readBlob } from '../blobstore/read-blob.js';
import { forEachConcurrently } from '../common/async-iteration.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { WeightedSemaphore } from '../common/weighted-semaphore.js';
import { Digest, type DigestMessage } from '../digest/digest.js';
import { digestFunctionOf } from '../digest/digest-function.js';
import { reapi } from '../proto/index.js';
import { statusMessageOf } from '../proto/status.js';
import type { CallContext } from './call-context.js';
import type { InstanceRegistry } from './instance-registry.js';
import { batchEntryOverheadBytes, maxBatchBytesInFlight, maxBatchEntries, maxBatchTotalSizeBytes } from './limits.js';
import { treePages } from './tree-pages.js';

const { IDENTITY } = reapi.Compressor.Value;

/** Blobs of a batch that are read side by side. */
const readsAtOnce = 16;

/** Serves `ContentAddressableStorage` from the blob stores of its instances. Blobs travel uncompressed. */
export class ContentAddressableStorageService {
  readonly #registry: InstanceRegistry;
  readonly #bytesInFlight: WeightedSemaphore;

  /** `bytesInFlight` bounds what all batches under way have in memory together (U4). */
  constructor(registry: InstanceRegistry, bytesInFlight = new WeightedSemaphore(maxBatchBytesInFlight)) {
    this.#registry = registry;
    this.#bytesInFlight = bytesInFlight;
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

  async batchUpdateBlobs(
    { instanceName, requests, digestFunction }: reapi.BatchUpdateBlobsRequest,
    context: CallContext,
  ): Promise<reapi.BatchUpdateBlobsResponse.$Properties> {
    const blobs = this.#registry.blobs(instanceName);
    const dataBytes = requests.reduce((sum, { data }) => sum + (data?.length ?? 0), 0);
    const sizeBytes = Math.max(dataBytes, announcedBytes(requests.map(({ digest }) => digest)));
    await this.#admit(sizeBytes, requests.length, context);
    const parsed = requests.map(({ digest, data, compressor }) =>
      attempt(() => {
        refuseCompressed(compressor);
        const fn = digestFunctionOf(digestFunction, digest?.hash);
        return { digest: Digest.fromProto(digest, fn), data: data ?? new Uint8Array() };
      }),
    );
    const good = parsed.filter((entry): entry is Blob => !(entry instanceof StatusError));
    const outcomes = (await blobs.writeBatch(good, context.signal)).values();
    const responses = parsed.map((entry, index) => {
      const failure = entry instanceof StatusError ? entry : outcomes.next().value;
      return { digest: requests[index]?.digest ?? null, status: statusMessageOf(failure) };
    });
    return { responses };
  }

  async batchReadBlobs(
    { instanceName, digests, digestFunction }: reapi.BatchReadBlobsRequest,
    context: CallContext,
  ): Promise<reapi.BatchReadBlobsResponse.$Properties> {
    const blobs = this.#registry.blobs(instanceName);
    await this.#admit(announcedBytes(digests), digests.length, context);
    const responses: reapi.BatchReadBlobsResponse.Response.$Properties[] = [];
    await forEachConcurrently(digests.entries(), readsAtOnce, async ([index, digest]) => {
      responses[index] = await readEntry(blobs, digest, digestFunction, context.signal);
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

  /** Not announced (CAS-13). */
  splitBlob(): Promise<never> {
    return Promise.reject(new StatusError(Code.Unimplemented, 'SplitBlob is not offered here; read the whole blob'));
  }

  /** Not announced (CAS-13). */
  spliceBlob(): Promise<never> {
    return Promise.reject(new StatusError(Code.Unimplemented, 'SpliceBlob is not offered here; write the whole blob'));
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

/** A blob that cannot be read fails alone: the batch as a whole still succeeds (CAS-5). */
async function readEntry(
  blobs: BlobStore,
  message: DigestMessage,
  digestFunction: number,
  signal: AbortSignal,
): Promise<reapi.BatchReadBlobsResponse.Response.$Properties> {
  try {
    const digest = Digest.fromProto(message, digestFunctionOf(digestFunction, message.hash));
    return { digest: message, data: await readBlob(blobs, digest, signal), status: statusMessageOf(undefined) };
  } catch (reason) {
    signal.throwIfAborted();
    return { digest: message, status: statusMessageOf(StatusError.from(reason)) };
  }
}

/** What the digests of a batch claim; those that claim nonsense are dealt with one by one. */
function announcedBytes(digests: readonly (DigestMessage | null | undefined)[]): number {
  return digests.reduce((sum, digest) => sum + Math.max(0, digest?.sizeBytes ?? 0), 0);
}

function refuseCompressed(compressor: reapi.Compressor.Value | null | undefined): void {
  if ((compressor ?? IDENTITY) === IDENTITY) return;
  throw new StatusError(Code.InvalidArgument, `Compressor ${compressor ?? ''} is not offered here: IDENTITY is wanted`);
}

function attempt<T>(task: () => T): T | StatusError {
  try {
    return task();
  } catch (reason) {
    return StatusError.from(reason);
  }
}
