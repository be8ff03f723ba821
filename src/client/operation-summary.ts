import { codeName } from '../common/code.js';
import { Digest, type DigestMessage } from '../digest/digest.js';
import { digestFunctionOf } from '../digest/digest-function.js';
import { reapi, type longrunning } from '../proto/index.js';
import { millisecondsOf, type SecondsAndNanos } from '../proto/timestamp.js';
import { executeMetadataOf, executeResponseOf, executionFailureOf, requestMetadataOf } from './operation-messages.js';
import { textOf } from './text-of.js';

/** Where an execution stands. */
export type StageName = 'UNKNOWN' | 'CACHE_CHECK' | 'QUEUED' | 'EXECUTING' | 'COMPLETED';

/** What people and scripts want to know of an operation; what the server does not tell is undefined. */
export interface OperationSummary {
  readonly name: string;
  readonly stage: StageName;
  readonly done: boolean;
  /** As text. */
  readonly actionDigest: string | undefined;
  /** Why the command did not run to its end. */
  readonly failure: { readonly code: string; readonly message: string } | undefined;
  readonly exitCode: number | undefined;
  readonly cached: boolean | undefined;
  readonly worker: string | undefined;
  /** ISO 8601, as the following. */
  readonly queuedAt: string | undefined;
  readonly startedAt: string | undefined;
  readonly completedAt: string | undefined;
  /** Which build it belongs to, and what that calls it: its client's words. */
  readonly invocation: string | undefined;
  readonly mnemonic: string | undefined;
  readonly target: string | undefined;
}

/** The stage that an operation says it is in; a server's own operations may have none. */
export function stageOf(operation: longrunning.Operation.$Properties): StageName {
  const stage = executeMetadataOf(operation)?.stage;
  return (reapi.ExecutionStage.Value[stage ?? 0] ?? 'UNKNOWN') as StageName;
}

/** Puts together what is spread over the messages of an operation. */
export function summariseOperation(operation: longrunning.Operation.$Properties): OperationSummary {
  const metadata = executeMetadataOf(operation);
  const response = executeResponseOf(operation);
  return {
    name: operation.name ?? '',
    stage: stageOf(operation),
    done: operation.done ?? false,
    actionDigest: digestText(metadata?.actionDigest, metadata?.digestFunction),
    failure: failureOf(operation),
    ...endOf(response),
    ...historyOf(response?.result?.executionMetadata ?? metadata?.partialExecutionMetadata),
    ...labelsOf(operation),
  };
}

function labelsOf(
  operation: longrunning.Operation.$Properties,
): Pick<OperationSummary, 'invocation' | 'mnemonic' | 'target'> {
  const { toolInvocationId, actionMnemonic, targetId } = requestMetadataOf(operation) ?? {};
  return {
    invocation: textOf(toolInvocationId),
    mnemonic: textOf(actionMnemonic),
    target: textOf(targetId),
  };
}

function endOf(response: reapi.ExecuteResponse | undefined): Pick<OperationSummary, 'exitCode' | 'cached'> {
  const exitCode = response?.result ? (response.result.exitCode ?? 0) : undefined;
  return { exitCode, cached: response?.cachedResult };
}

function failureOf(operation: longrunning.Operation.$Properties): OperationSummary['failure'] {
  const failure = executionFailureOf(operation);
  return failure && { code: codeName(failure.code), message: failure.message };
}

function historyOf(
  metadata: reapi.ExecutedActionMetadata.$Properties | null | undefined,
): Pick<OperationSummary, 'worker' | 'queuedAt' | 'startedAt' | 'completedAt'> {
  return {
    worker: textOf(metadata?.worker),
    queuedAt: timeText(metadata?.queuedTimestamp),
    startedAt: timeText(metadata?.workerStartTimestamp),
    completedAt: timeText(metadata?.workerCompletedTimestamp),
  };
}

/** A digest as people write it; `undefined` if it is unset. */
export function digestText(
  digest: DigestMessage | null | undefined,
  functionValue: number | undefined,
): string | undefined {
  return digest ? String(Digest.fromProto(digest, digestFunctionOf(functionValue, digest.hash))) : undefined;
}

/** A time in ISO 8601; `undefined` if it is unset. */
export function timeText(time: SecondsAndNanos | null | undefined): string | undefined {
  const ms = millisecondsOf(time);
  return ms === undefined ? undefined : new Date(ms).toISOString();
}
