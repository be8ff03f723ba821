import { forEachConcurrently } from '../common/async-iteration.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { Blob, WriteOutcome } from '../blobstore/blob-store.js';
import type { reapi } from '../proto/index.js';
import { statusErrorOfMessage } from '../proto/status.js';
import { batchUpdateBlobsEncoded, encodeBatchUpdate } from './batch-update-request.js';
import { packBatches, runBatch, wireKeyOf, type EntryOutcome } from './batch.js';
import { writeByStream } from './byte-stream-writer.js';
import { entryOverheadBytes, type CasLimitsSource } from './cas-limits.js';
import { functionValueOf, retryOptionsOf, type RemoteInstance } from './remote-instance.js';
import { SeekableContent } from './seekable-content.js';

/** How many calls one batch of blobs may keep in flight. */
const concurrency = 4;

/**
 * Writes small blobs by BatchUpdateBlobs calls, each as large as the server takes it; those too large for any, and all
 * of them where the server has no such call, by ByteStream.
 */
export class BatchWriter {
  readonly #remote: RemoteInstance;
  readonly #limits: CasLimitsSource;
  #canBatch = true;

  constructor(remote: RemoteInstance, limits: CasLimitsSource) {
    this.#remote = remote;
    this.#limits = limits;
  }

  /** One outcome for each blob, in order. Rejects only when `signal` aborts or the limits cannot be asked for. */
  async write(blobs: readonly Blob[], signal?: AbortSignal): Promise<readonly WriteOutcome[]> {
    const distinct = new Map(blobs.filter(({ digest }) => !digest.isEmpty).map((blob) => [blob.digest.key, blob]));
    const outcomes = new Map<string, WriteOutcome>();
    if (distinct.size > 0) {
      const { maxBatchBytes } = await this.#limits.get(signal);
      const batches = packBatches(distinct.values(), maxBatchBytes);
      await forEachConcurrently(batches, concurrency, async (batch) => {
        const fits = (batch[0]?.digest.sizeBytes ?? 0) + entryOverheadBytes <= maxBatchBytes;
        const settled = this.#canBatch && fits ? await this.#batch(batch, signal) : await this.#streams(batch, signal);
        for (const [index, { digest }] of batch.entries()) outcomes.set(digest.key, settled[index]);
      });
    }
    if (signal?.aborted) throw StatusError.from(signal.reason);
    return blobs.map(({ digest }) => outcomes.get(digest.key));
  }

  async #batch(blobs: readonly Blob[], signal?: AbortSignal): Promise<readonly WriteOutcome[]> {
    const call = (pending: readonly Blob[]) => this.#call(pending, signal);
    const outcomes = await runBatch(blobs, call, retryOptionsOf(this.#remote), signal);
    const again = blobs.filter((_blob, index) => isForStream(outcomes[index]));
    if (outcomes.some((outcome) => 'reason' in outcome && outcome.reason.code === Code.Unimplemented)) {
      this.#canBatch = false;
    }
    const streamed = await this.#streams(again, signal);
    return blobs.map((blob, index) => {
      const outcome = outcomes[index];
      const place = again.indexOf(blob);
      if (place >= 0) return streamed[place];
      return outcome && 'reason' in outcome ? outcome.reason : undefined;
    });
  }

  async #streams(blobs: readonly Blob[], signal?: AbortSignal): Promise<readonly WriteOutcome[]> {
    const outcomes: WriteOutcome[] = blobs.map(() => undefined);
    await forEachConcurrently(blobs.entries(), concurrency, async ([index, { digest, data }]) => {
      try {
        await writeByStream(this.#remote, { digest, content: new SeekableContent({ digest, data }) }, signal);
      } catch (reason) {
        outcomes[index] = StatusError.from(reason);
      }
    });
    return outcomes;
  }

  async #call(blobs: readonly Blob[], signal?: AbortSignal): Promise<readonly EntryOutcome<true>[]> {
    const { channel, instanceName } = this.#remote;
    const request = encodeBatchUpdate(instanceName, blobs, functionValueOf(blobs[0]?.digest));
    const { responses } = await channel.unary(batchUpdateBlobsEncoded, request, {}, signal);
    const byKey = new Map(responses.map((response) => [wireKeyOf(response.digest ?? {}), response]));
    return blobs.map((blob) => outcomeOf(blob, byKey.get(wireKeyOf(blob.digest))));
  }
}

/** CL-2: every entry's status counts, and an absent entry is a failure. */
function outcomeOf(
  { digest }: Blob,
  response: reapi.BatchUpdateBlobsResponse.Response.$Properties | undefined,
): EntryOutcome<true> {
  if (!response) {
    return { reason: new StatusError(Code.Internal, `The server's answer leaves out blob ${String(digest)}`) };
  }
  const failure = statusErrorOfMessage(response.status);
  return failure ? { reason: failure.wrap(`Blob ${String(digest)}`) } : { value: true };
}

/** A call that is not there, or is refused as a whole, says nothing of the single blobs. */
function isForStream(outcome: EntryOutcome<true> | undefined): boolean {
  if (!outcome || 'value' in outcome) return false;
  const { reason, isWhole = false } = outcome;
  return reason.code === Code.Unimplemented || (isWhole && reason.code === Code.InvalidArgument);
}
