import { collectBytes } from '../common/async-iteration.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { Digest } from '../digest/digest.js';
import { readPrinted, summariseOutputs, type ActionResult, type OutputSummary } from '../client/action-result.js';
import type { Client } from '../client/client.js';
import { downloadOutputs } from '../client/download-outputs.js';
import type { ExecutionOutcome } from '../client/execute-action.js';
import { executionFailure } from './execution-failure.js';
import { writeThrough } from './write-through.js';

/** What `bgd execute command --json` prints of a command that ran to its end. */
export interface ExecutionReport {
  readonly source: 'command';
  readonly exitCode: number;
  readonly cached: boolean;
  readonly actionDigest: string;
  readonly operation: string;
  /** Empty unless it was collected. */
  readonly stdout: string;
  readonly stderr: string;
  /** What was downloaded. */
  readonly outputs: readonly OutputSummary[];
}

/** Where an outcome comes from, and where its parts go. */
export interface Delivery {
  readonly client: Client;
  readonly actionDigest: Digest;
  /** The folder for the outputs. */
  readonly target: string;
  /** Whether what the command printed goes into the report, and not to our own stdout and stderr. */
  readonly isCollected: boolean;
}

/**
 * Passes on what the command has printed, as it was printed, and downloads its outputs. Then throws what kept it from
 * running to its end, if anything did.
 */
export async function deliverOutcome(
  { result, failure, isCached, operationName }: ExecutionOutcome,
  delivery: Delivery,
  signal: AbortSignal,
): Promise<ExecutionReport> {
  const { client, actionDigest, target } = delivery;
  const digestFunction = actionDigest.function;
  const printed = result && (await passOn(result, delivery, signal));
  if (result) await downloadOutputs(client.blobs, { result, target, digestFunction }, signal);
  if (failure) throw executionFailure(failure);
  if (!result) throw new StatusError(Code.Internal, `${operationName} is done, but the server tells no result`);
  return {
    source: 'command',
    exitCode: result.exitCode ?? 0,
    cached: isCached,
    actionDigest: String(actionDigest),
    operation: operationName,
    stdout: printed?.stdout ?? '',
    stderr: printed?.stderr ?? '',
    outputs: summariseOutputs(result, digestFunction),
  };
}

async function passOn(
  result: ActionResult,
  { client, isCollected }: Delivery,
  signal: AbortSignal,
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const texts = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const) {
    const content = readPrinted(client.blobs, result, stream, signal);
    if (isCollected) texts[stream] = String(await collectBytes(content));
    else await writeThrough(content, process[stream], signal);
  }
  return texts;
}
