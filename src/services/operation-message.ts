import { packAny } from '../proto/any.js';
import { bgdexecution, reapi, type longrunning, type wellknown } from '../proto/index.js';
import { secondsAndNanosOf } from '../proto/timestamp.js';
import { messageNames } from '../proto/wire-names.js';
import type { ListedOperation, Operation, OperationLabels } from '../scheduler/job-store.js';
import type { WatchedOperation } from '../scheduler/operation-watchers.js';
import { Stage } from '../scheduler/stage.js';
import type { Unserved } from '../scheduler/unserved.js';
import type { InstanceExecution } from './instance-registry.js';
import { inlineOutputs, type InlineHints, type InlineOptions } from './inline-outputs.js';
import { maxHintsLength } from './limits.js';
import { operationName } from './operation-name.js';

const { QUEUED, EXECUTING, COMPLETED } = reapi.ExecutionStage.Value;
const wireStages: Readonly<Record<Stage, reapi.ExecutionStage.Value>> = {
  [Stage.Queued]: QUEUED,
  [Stage.Executing]: EXECUTING,
  [Stage.Completed]: COMPLETED,
};

/** The state of an Operation as clients read it, with what they wanted inlined. Never an `error` (EX-2). */
export async function operationMessage(
  operation: WatchedOperation & Partial<Pick<ListedOperation, 'labels' | 'botId'>>,
  { blobs, actionBrowserUrl }: Omit<InstanceExecution, 'scheduler'>,
  signal?: AbortSignal,
): Promise<longrunning.Operation.$Properties> {
  const { stage, actionDigest, queuedAtMs, response, botId, labels } = operation;
  const metadata: reapi.ExecuteOperationMetadata.$Properties = {
    stage: wireStages[stage],
    actionDigest: actionDigest.toProto(),
    digestFunction: actionDigest.function.value,
    partialExecutionMetadata: {
      queuedTimestamp: secondsAndNanosOf(queuedAtMs),
      ...(botId !== undefined && { worker: botId }),
      // Who does not know one of them passes over it.
      auxiliaryMetadata: auxiliaryOf(operation.unserved, labels),
    },
  };
  return {
    name: operationName(operation),
    metadata: packAny(messageNames.executeOperationMetadata, reapi.ExecuteOperationMetadata, metadata),
    done: response !== undefined,
    ...(response && {
      response: await packResponse(
        { response, hints: operation.hints, message: browserMessage(operation, actionBrowserUrl) },
        { blobs, fn: actionDigest.function },
        signal,
      ),
    }),
  };
}

function auxiliaryOf(unserved: Unserved | undefined, labels: OperationLabels | undefined): wellknown.Any.$Properties[] {
  const hasLabels = labels && Object.values(labels).some((label) => label !== '');
  return [
    ...(unserved ? [packAny(messageNames.unserved, bgdexecution.Unserved, messageOf(unserved))] : []),
    ...(hasLabels ? [packAny(messageNames.requestMetadata, reapi.RequestMetadata, { ...labels })] : []),
  ];
}

function messageOf({ message, offeredByNone, nearest }: Unserved): bgdexecution.Unserved.$Properties {
  return {
    message,
    offeredByNone: [...offeredByNone],
    nearest: nearest.map(({ botId, lacking }) => ({ botId, lacking: [...lacking] })),
  };
}

/** What a client wants inlined, as kept with its Operation: WaitExecution has no such fields. */
export function hintsOf({ inlineStdout, inlineStderr, inlineOutputFiles }: reapi.ExecuteRequest): string {
  const printed: InlineHints = { ...(inlineStdout && { inlineStdout }), ...(inlineStderr && { inlineStderr }) };
  if (inlineOutputFiles.length === 0) return JSON.stringify(printed);
  const hints = JSON.stringify({ ...printed, inlineOutputFiles });
  return hints.length <= maxHintsLength ? hints : JSON.stringify(printed);
}

/** A response as the store has it, and what this client gets besides. */
interface ResponseParts {
  readonly response: Uint8Array;
  readonly hints: string;
  /** For people (EX-15); empty for none. */
  readonly message: string;
}

async function packResponse(
  { response: encoded, hints, message }: ResponseParts,
  options: InlineOptions,
  signal: AbortSignal | undefined,
): Promise<{ type_url: string; value: Uint8Array }> {
  const wanted = JSON.parse(hints) as InlineHints;
  const isAsIs = Object.keys(wanted).length === 0 && message === '';
  if (isAsIs) return { type_url: `type.googleapis.com/${messageNames.executeResponse}`, value: encoded };
  const response = reapi.ExecuteResponse.decode(encoded);
  if (response.result) response.result = await inlineOutputs(response.result, wanted, options, signal);
  response.message ||= message;
  return packAny(messageNames.executeResponse, reapi.ExecuteResponse, response);
}

/** `BASE/action/[INSTANCE/]HASH/SIZE/`, as BuildGrid tells it. */
function browserMessage({ instanceName, actionDigest }: Operation, actionBrowserUrl: string | undefined): string {
  if (actionBrowserUrl === undefined) return '';
  const { hash, sizeBytes } = actionDigest;
  const path = ['action', ...(instanceName === '' ? [] : [instanceName]), hash, sizeBytes, ''].join('/');
  return `${actionBrowserUrl.replace(/\/+$/, '')}/${path}`;
}
