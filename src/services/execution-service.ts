import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { Digest } from '../digest/digest.js';
import { digestFunctionOf } from '../digest/digest-function.js';
import type { longrunning, reapi } from '../proto/index.js';
import type { Operation, OperationLabels } from '../scheduler/job-store.js';
import type { CallContext } from './call-context.js';
import type { InstanceExecution, InstanceRegistry } from './instance-registry.js';
import { hintsOf, operationMessage } from './operation-message.js';
import { parseOperationName } from './operation-name.js';
import { readAction } from './read-action.js';

/** Serves `Execution`: both methods stream an Operation until it is done (EX-1). A client that leaves stops nothing (EX-8). */
export class ExecutionService {
  readonly #registry: InstanceRegistry;

  constructor(registry: InstanceRegistry) {
    this.#registry = registry;
  }

  async *execute(
    request: reapi.ExecuteRequest,
    { signal, requestMetadata }: CallContext,
  ): AsyncIterable<longrunning.Operation.$Properties> {
    const { instanceName, skipCacheLookup, executionPolicy } = request;
    const execution = this.#registry.execution(instanceName);
    const actionDigest = actionDigestOf(request);
    const action = await readAction(execution.blobs, actionDigest, signal);
    const labels = labelsOf(requestMetadata);
    const operation = await execution.scheduler.execute(
      {
        ...action,
        actionDigest,
        skipCacheLookup,
        priority: executionPolicy?.priority ?? 0,
        operation: { instanceName, labels, hints: hintsOf(request) },
      },
      signal,
    );
    yield* follow(operation, execution, signal);
  }

  async *waitExecution(
    { name }: reapi.WaitExecutionRequest,
    { signal }: CallContext,
  ): AsyncIterable<longrunning.Operation.$Properties> {
    const reference = parseOperationName(name);
    const execution = this.#registry.execution(reference.instanceName);
    yield* follow(await execution.scheduler.find(reference), execution, signal);
  }
}

async function* follow(
  operation: Operation,
  execution: InstanceExecution,
  signal: AbortSignal,
): AsyncIterable<longrunning.Operation.$Properties> {
  for await (const state of execution.scheduler.watch(operation, signal))
    yield operationMessage(state, execution, signal);
}

/** RW-9: a lease carries no function, so workers must be able to tell it from the length of a hash. */
function actionDigestOf({ actionDigest, digestFunction }: reapi.ExecuteRequest): Digest {
  const fn = digestFunctionOf(digestFunction, actionDigest?.hash);
  if (fn.isNamedInResources) {
    throw new StatusError(
      Code.InvalidArgument,
      `Actions are not executed with ${fn.name}, only cached: use a function that the execution capabilities announce`,
    );
  }
  return Digest.fromProto(actionDigest, fn);
}

/** Text from outside, kept in the database: no longer than anybody needs. */
const maxLabelLength = 1_024;

function labelsOf(metadata: reapi.RequestMetadata | undefined): OperationLabels {
  const label = (text: string | undefined): string => (text ?? '').slice(0, maxLabelLength);
  return {
    toolInvocationId: label(metadata?.toolInvocationId),
    correlatedInvocationsId: label(metadata?.correlatedInvocationsId),
    actionMnemonic: label(metadata?.actionMnemonic),
    targetId: label(metadata?.targetId),
  };
}
