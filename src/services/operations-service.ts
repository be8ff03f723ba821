import { systemClock, type Clock } from '../common/clock.js';
import { StatusError } from '../common/status-error.js';
import { checkInstanceName } from '../digest/instance-name.js';
import type { longrunning, wellknown } from '../proto/index.js';
import { millisecondsOf } from '../proto/timestamp.js';
import type { Operation } from '../scheduler/job-store.js';
import type { Scheduler } from '../scheduler/scheduler.js';
import { Stage } from '../scheduler/stage.js';
import type { CallContext } from './call-context.js';
import type { InstanceRegistry } from './instance-registry.js';
import { operationMessage } from './operation-message.js';
import { parseOperationName } from './operation-name.js';

/** An answer is on its way before the client gives up. */
const answerMarginMs = 500;

/** Serves `google.longrunning.Operations` for the Operations that Execute has made. */
export class OperationsService {
  readonly #registry: InstanceRegistry;
  readonly #clock: Clock;

  constructor(registry: InstanceRegistry, clock: Clock = systemClock) {
    this.#registry = registry;
    this.#clock = clock;
  }

  async getOperation(
    { name }: longrunning.GetOperationRequest,
    { signal }: CallContext,
  ): Promise<longrunning.Operation.$Properties> {
    const reference = parseOperationName(name);
    const execution = this.#registry.execution(reference.instanceName);
    return operationMessage(await execution.scheduler.find(reference), execution, signal);
  }

  async listOperations(
    { name, filter, pageSize, pageToken }: longrunning.ListOperationsRequest,
    { signal }: CallContext,
  ): Promise<longrunning.ListOperationsResponse.$Properties> {
    const instanceName = instanceNameOf(name);
    const execution = this.#registry.execution(instanceName);
    const page = await execution.scheduler.list({ instanceName, filter, pageSize, pageToken });
    const operations = [];
    for (const operation of page.operations) operations.push(await operationMessage(operation, execution, signal));
    return { operations, nextPageToken: page.nextPageToken };
  }

  async deleteOperation({ name }: longrunning.DeleteOperationRequest): Promise<wellknown.Empty.$Properties> {
    const reference = parseOperationName(name);
    await this.#registry.execution(reference.instanceName).scheduler.forget(reference);
    return {};
  }

  async cancelOperation({ name }: longrunning.CancelOperationRequest): Promise<wellknown.Empty.$Properties> {
    const reference = parseOperationName(name);
    await this.#registry.execution(reference.instanceName).scheduler.cancel(reference);
    return {};
  }

  /** Answers when the Operation is done, or with its state when the time is over: that is no error (OP-2). */
  async waitOperation(
    { name, timeout }: longrunning.WaitOperationRequest,
    { signal, deadlineMs = Infinity }: CallContext,
  ): Promise<longrunning.Operation.$Properties> {
    const reference = parseOperationName(name);
    const execution = this.#registry.execution(reference.instanceName);
    const { scheduler } = execution;
    const leftMs = deadlineMs - answerMarginMs - this.#clock.now();
    const waitMs = Math.min(millisecondsOf(timeout) ?? Infinity, leftMs);
    const operation = await this.#waitFor(scheduler, { operation: await scheduler.find(reference), waitMs }, signal);
    return operationMessage(operation, execution, signal);
  }

  async #waitFor(
    scheduler: Scheduler,
    { operation, waitMs }: { readonly operation: Operation; readonly waitMs: number },
    signal: AbortSignal,
  ): Promise<Operation> {
    const over = new AbortController();
    const end = (): void => over.abort();
    signal.addEventListener('abort', end, { once: true });
    const isOver = (): boolean => over.signal.aborted;
    if (signal.aborted || waitMs <= 0) end();
    if (Number.isFinite(waitMs) && !isOver()) void this.#clock.sleep(waitMs, over.signal).then(end);
    let latest = operation;
    try {
      for await (latest of scheduler.watch(operation, over.signal)) if (latest.stage === Stage.Completed) break;
    } catch (reason) {
      if (!isOver()) throw reason;
    } finally {
      signal.removeEventListener('abort', end);
      end();
    }
    if (signal.aborted) throw StatusError.from(signal.reason);
    return latest;
  }
}

/** The collection is named by its instance; some clients write `{instance}/operations`. */
function instanceNameOf(name: string): string {
  return checkInstanceName(name.replace(/(^|\/)operations$/, ''));
}
