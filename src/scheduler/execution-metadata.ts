import type { reapi } from '../proto/index.js';
import { millisecondsOf, secondsAndNanosOf } from '../proto/timestamp.js';

type Metadata = reapi.ExecutedActionMetadata.$Properties;
type Stamp = Extract<keyof Metadata, `${string}Timestamp`>;

/** What the server knows of an execution besides what the worker says. */
export interface ServerStamps {
  readonly queuedAtMs: number;
  readonly botId: string;
}

/** In the order in which they come to pass. */
const workerStamps: readonly Stamp[] = [
  'workerStartTimestamp',
  'inputFetchStartTimestamp',
  'inputFetchCompletedTimestamp',
  'executionStartTimestamp',
  'executionCompletedTimestamp',
  'outputUploadStartTimestamp',
  'outputUploadCompletedTimestamp',
  'workerCompletedTimestamp',
];

/**
 * Returns `result` with the server's half of the metadata (EX-14): when it was queued, never later than the worker's
 * first stamp, whose clock may go after ours; and a name for a worker that tells none, so that no stored result encodes
 * to zero bytes (AC-7). Stamps that are present but zero are dropped.
 */
export function stampMetadata(
  result: reapi.ActionResult.$Properties,
  { queuedAtMs, botId }: ServerStamps,
): reapi.ActionResult.$Properties {
  const metadata: Metadata = { ...result.executionMetadata };
  let earliestMs = queuedAtMs;
  for (const stamp of workerStamps) {
    const ms = millisecondsOf(metadata[stamp]);
    if (!ms) metadata[stamp] = null;
    else earliestMs = Math.min(earliestMs, ms);
  }
  metadata.queuedTimestamp = secondsAndNanosOf(earliestMs);
  if ((metadata.worker ?? '') === '') metadata.worker = botId;
  return { ...result, executionMetadata: metadata };
}
