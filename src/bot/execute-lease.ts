import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { Digest } from '../digest/digest.js';
import { digestFunctionOf } from '../digest/digest-function.js';
import { isAny, packAny, unpackAny, type AnyMessage } from '../proto/any.js';
import { reapi, type rwapi } from '../proto/index.js';
import { statusMessageOf } from '../proto/status.js';
import { messageNames } from '../proto/wire-names.js';
import type { ActionExecutor, ActionRequest } from './action-executor.js';

/** How a lease ended, in the words of the Bots service. */
export type LeaseReport = Pick<rwapi.Lease.$Properties, 'status' | 'result'>;

/** Executes what a lease carries. Never rejects: whatever goes wrong is the status of the report (RW-10). */
export async function executeLease(
  payload: AnyMessage | null | undefined,
  executor: ActionExecutor,
  signal: AbortSignal,
): Promise<LeaseReport> {
  try {
    signal.throwIfAborted();
    const { result, fault } = await executor.execute(readPayload(payload), signal);
    return { status: statusMessageOf(fault), result: packAny(messageNames.actionResult, reapi.ActionResult, result) };
  } catch (reason) {
    return { status: statusMessageOf(workerFault(StatusError.from(signal.aborted ? signal.reason : reason))) };
  }
}

/** RW-8: a Digest of an Action, or the Action itself. Leases carry no digest function, so it is inferred (RW-9). */
function readPayload(payload: AnyMessage | null | undefined): ActionRequest {
  if (isAny(payload, messageNames.action)) {
    const action = unpackAny(messageNames.action, reapi.Action, payload);
    const fn = digestFunctionOf(0, action?.commandDigest?.hash);
    return { digest: Digest.of(payload?.value ?? new Uint8Array(), fn), action };
  }
  const digest = unpackAny(messageNames.digest, reapi.Digest, payload);
  if (digest) return { digest: Digest.fromProto(digest, digestFunctionOf(0, digest.hash)), action: undefined };
  const found = JSON.stringify(payload?.type_url ?? '');
  throw new StatusError(
    Code.FailedPrecondition,
    `This bot takes Actions and their Digests, but the lease has ${found}`,
  );
}

/** Codes that say of a call to the CAS what they would wrongly say of the action. */
const ofTheWorker: ReadonlySet<Code> = new Set([
  Code.Cancelled,
  Code.DeadlineExceeded,
  Code.NotFound,
  Code.ResourceExhausted,
  Code.Aborted,
  Code.DataLoss,
]);

/** Without a result these mean that the worker failed, which somebody else may not: UNAVAILABLE has the job repeated. */
function workerFault(error: StatusError): StatusError {
  return ofTheWorker.has(error.code) ? new StatusError(Code.Unavailable, error.message, { cause: error }) : error;
}
