import { Code } from '../common/code.js';
import { collectBytes } from '../common/async-iteration.js';
import { StatusError } from '../common/status-error.js';
import { BlobNotFoundError } from '../blobstore/blob-store.js';
import { Digest } from '../digest/digest.js';
import type { reapi } from '../proto/index.js';
import { statusErrorOfMessage } from '../proto/status.js';
import { packBatches, runBatch, wireKeyOf, type EntryOutcome } from './batch.js';
import { readByStream } from './byte-stream-reader.js';
import type { CasLimitsSource } from './cas-limits.js';
import { methods } from './method.js';
import { functionValueOf, retryOptionsOf, type RemoteInstance } from './remote-instance.js';
import { SharedRead } from './shared-read.js';
import { damaged } from './verified-bytes.js';

/** After these a blob is asked for by ByteStream. A refused call says nothing of the single entries. */
const batchIsNoUse = ({ reason, isWhole = false }: { reason: StatusError; isWhole?: boolean }): boolean =>
  reason.code === Code.Unimplemented ||
  reason.code === Code.DataLoss ||
  (isWhole && reason.code === Code.InvalidArgument);

/**
 * Reads small blobs: those asked for in one turn of the event loop share BatchReadBlobs calls, and a blob that is asked
 * for twice is read once. Everything is verified. Servers without the call are read from by ByteStream.
 */
export class BatchReader {
  readonly #remote: RemoteInstance;
  readonly #limits: CasLimitsSource;
  #waiting = new Map<string, SharedRead>();
  #canBatch = true;

  constructor(remote: RemoteInstance, limits: CasLimitsSource) {
    this.#remote = remote;
    this.#limits = limits;
  }

  /** Returns the whole blob. Throws BlobNotFoundError. */
  read(digest: Digest, signal?: AbortSignal): Promise<Buffer> {
    if (this.#waiting.size === 0) setImmediate(() => void this.#flush());
    let read = this.#waiting.get(digest.key);
    if (!read || read.abandoned.aborted) {
      read = new SharedRead(digest);
      this.#waiting.set(digest.key, read);
    }
    return read.join(signal);
  }

  async #flush(): Promise<void> {
    const reads = [...this.#waiting.values()].filter(({ abandoned }) => !abandoned.aborted);
    this.#waiting = new Map();
    try {
      const { maxBatchBytes } = await this.#limits.get();
      for (const batch of packBatches(reads, maxBatchBytes)) void this.#settle(batch, maxBatchBytes);
    } catch (reason) {
      for (const read of reads) read.fail(reason);
    }
  }

  async #settle(reads: readonly SharedRead[], maxBatchBytes: number): Promise<void> {
    const fits = (reads[0]?.digest.sizeBytes ?? 0) <= maxBatchBytes;
    if (!this.#canBatch || !fits) {
      for (const read of reads) void this.#settleByStream(read);
      return;
    }
    const signal = SharedRead.whileWanted(reads);
    const call = (pending: readonly SharedRead[]) => this.#call(pending, signal);
    const outcomes = await runBatch(reads, call, retryOptionsOf(this.#remote), signal);
    for (const [index, outcome] of outcomes.entries()) {
      const read = reads[index];
      if (read) this.#settleOne(read, outcome);
    }
  }

  #settleOne(read: SharedRead, outcome: EntryOutcome<Buffer>): void {
    if ('value' in outcome) {
      read.succeed(outcome.value);
    } else if (batchIsNoUse(outcome)) {
      if (outcome.reason.code === Code.Unimplemented) this.#canBatch = false;
      void this.#settleByStream(read);
    } else {
      read.fail(outcome.reason);
    }
  }

  async #settleByStream(read: SharedRead): Promise<void> {
    try {
      read.succeed(await collectBytes(readByStream(this.#remote, read.digest, {}, read.abandoned)));
    } catch (reason) {
      read.fail(reason);
    }
  }

  async #call(reads: readonly SharedRead[], signal: AbortSignal): Promise<readonly EntryOutcome<Buffer>[]> {
    const { channel, instanceName } = this.#remote;
    const request = {
      instanceName,
      digests: reads.map(({ digest }) => digest.toProto()),
      digestFunction: functionValueOf(reads[0]?.digest),
    };
    const { responses } = await channel.unary(methods.batchReadBlobs, request, {}, signal);
    const byKey = new Map(responses.map((response) => [wireKeyOf(response.digest ?? {}), response]));
    return reads.map(({ digest }) => outcomeOf(digest, byKey.get(wireKeyOf(digest))));
  }
}

/** CL-2: every entry's status counts, and an absent entry is a failure. CL-5: what arrives is verified. */
function outcomeOf(
  digest: Digest,
  response: reapi.BatchReadBlobsResponse.Response.$Properties | undefined,
): EntryOutcome<Buffer> {
  if (!response) {
    return { reason: new StatusError(Code.Internal, `The server's answer leaves out blob ${String(digest)}`) };
  }
  if (response.status?.code === Code.NotFound) return { reason: new BlobNotFoundError(digest) };
  const failure = statusErrorOfMessage(response.status);
  if (failure) return { reason: failure.wrap(`Blob ${String(digest)}`) };
  const data = response.data ?? new Uint8Array();
  if (!Digest.of(data, digest.function).equals(digest)) return { reason: damaged(digest) };
  return { value: Buffer.from(data.buffer, data.byteOffset, data.length) };
}
