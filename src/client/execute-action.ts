import { addAbortListener } from 'node:events';
import type { StatusError } from '../common/status-error.js';
import type { longrunning } from '../proto/index.js';
import type { ActionDraft } from './action-draft.js';
import type { ActionResult } from './action-result.js';
import type { Client } from './client.js';
import { missingBlobsOf } from './error-details.js';
import { executeResponseOf, executionFailureOf, whyItWaits } from './operation-messages.js';
import { stageOf, type StageName } from './operation-summary.js';
import type { UploadProgress } from './missing-upload.js';
import { uploadMissing } from './upload-missing.js';

/** How {@link executeAction} goes about it, and whom it tells. */
export interface ExecuteActionOptions {
  /** Executes even if the ActionCache has a result. @defaultValue false */
  readonly skipCacheLookup?: boolean;
  readonly onUpload?: (progress: UploadProgress) => void;
  /** Told each state of the operation, the last one too, and why it waits where the server says so. */
  readonly onState?: (stage: StageName, whyItWaits: string | undefined) => void;
}

/** How an execution ended. */
export interface ExecutionOutcome {
  readonly operationName: string;
  readonly isCached: boolean;
  /** What the server has to say to people; may be empty. */
  readonly message: string;
  /** There may be one besides a failure: a command that ran out of time has printed something. */
  readonly result: ActionResult | undefined;
  /** Why the command did not run to its end. */
  readonly failure: StatusError | undefined;
}

/**
 * Uploads what the server lacks of `draft` and executes it. Inputs that the server turns out not to have, although it
 * said so, are sent once more, and only once (CL-4). An abort cancels the operation. Throws what kept the operation from
 * coming about.
 */
export async function executeAction(
  client: Client,
  draft: ActionDraft,
  options: ExecuteActionOptions = {},
  signal?: AbortSignal,
): Promise<ExecutionOutcome> {
  const onProgress = options.onUpload && { onProgress: options.onUpload };
  await uploadMissing(client.blobs, draft.sources, { ...onProgress }, signal);
  const first = await attempt(client, draft, options, signal);
  const missing = new Set(missingBlobsOf(first.reason).map(({ key }) => key));
  if (missing.size === 0) return outcomeOf(first);

  const named = draft.sources.filter(({ digest }) => missing.has(digest.key));
  // A blob that is none of ours, or a folder that was lost with all below it: everything is sent.
  const lost = named.length === missing.size ? named : draft.sources;
  await uploadMissing(client.blobs, lost, { ...onProgress, isMissingKnown: true }, signal);
  return outcomeOf(await attempt(client, draft, options, signal));
}

/** What came of one Execute: an operation that is done, or the reason why there is none. */
interface Attempt {
  readonly operation?: longrunning.Operation;
  readonly reason?: unknown;
}

async function attempt(
  client: Client,
  { digest }: ActionDraft,
  { skipCacheLookup = false, onState }: ExecuteActionOptions,
  signal?: AbortSignal,
): Promise<Attempt> {
  const request = { actionDigest: digest, skipCacheLookup, inlineStdout: true, inlineStderr: true };
  let operation: longrunning.Operation | undefined;
  using listening = new Listening(signal);
  try {
    for await (const state of client.execution.execute(request, listening.signal)) {
      operation = state;
      onState?.(stageOf(state), whyItWaits(state));
      listening.isNamed();
    }
  } catch (reason) {
    if (signal?.aborted && operation) await cancel(client, operation.name);
    return { reason };
  }
  return operation ? { operation, reason: executionFailureOf(operation) } : { reason: undefined };
}

/** How long a server may take to name the operation that is to be cancelled. */
const namingTimeoutMs = 1_000;

/**
 * Ends with `signal`, but not before the operation has a name: without one it could not be cancelled, and would run on
 * with nobody waiting for it.
 */
class Listening implements Disposable {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  readonly #listener: Disposable | undefined;
  #hasName = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(outer: AbortSignal | undefined) {
    this.#outer = outer;
    outer?.throwIfAborted();
    this.#listener = outer && addAbortListener(outer, () => this.#onAbort());
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  isNamed(): void {
    this.#hasName = true;
    if (this.#outer?.aborted) this.#stop();
  }

  [Symbol.dispose](): void {
    this.#listener?.[Symbol.dispose]();
    clearTimeout(this.#timer);
  }

  #onAbort(): void {
    if (this.#hasName) this.#stop();
    else this.#timer = setTimeout(() => this.#stop(), namingTimeoutMs);
  }

  #stop(): void {
    this.#controller.abort(this.#outer?.reason);
  }
}

/** How long the user who wants to stop is kept. */
const cancelTimeoutMs = 3_000;

async function cancel(client: Client, name: string): Promise<void> {
  try {
    await client.operations.cancel(name, AbortSignal.timeout(cancelTimeoutMs));
  } catch {
    // The server is gone or does not cancel: the user still wants to leave.
  }
}

function outcomeOf({ operation, reason }: Attempt): ExecutionOutcome {
  if (!operation) throw reason;
  const response = executeResponseOf(operation);
  return {
    operationName: operation.name,
    isCached: response?.cachedResult ?? false,
    message: response?.message ?? '',
    result: response?.result ?? undefined,
    failure: executionFailureOf(operation),
  };
}
