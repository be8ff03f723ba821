import type { longrunning } from '../proto/index.js';
import { secondsAndNanosOf } from '../proto/timestamp.js';
import { methods } from './method.js';
import { callUnary, type RemoteInstance } from './remote-instance.js';

/** Which operations {@link OperationsClient.list} tells of. */
export interface ListOptions {
  /** `key op value`, joined by `&` (OP-3). @defaultValue all */
  readonly filter?: string;
  /** How many are asked for at a time. @defaultValue the server's choice */
  readonly pageSize?: number;
}

/** How long one WaitOperation call is held at the most. */
const maxWaitMs = 30_000;

/** Looks at and steers the operations of an instance. An unknown name is NOT_FOUND. */
export class OperationsClient {
  readonly #remote: RemoteInstance;

  constructor(remote: RemoteInstance) {
    this.#remote = remote;
  }

  /** The present state of an operation. */
  get(name: string, signal?: AbortSignal): Promise<longrunning.Operation> {
    return callUnary(this.#remote, methods.getOperation, { name }, signal);
  }

  /** One page of the operations of the instance; an empty token begins, and ends, the list. */
  page(
    { pageToken = '', ...options }: ListOptions & { readonly pageToken?: string } = {},
    signal?: AbortSignal,
  ): Promise<longrunning.ListOperationsResponse> {
    const request = { ...options, name: this.#remote.instanceName, pageToken };
    return callUnary(this.#remote, methods.listOperations, request, signal);
  }

  /** All operations of the instance, page by page as they are pulled. */
  async *list(
    options: ListOptions = {},
    signal?: AbortSignal,
  ): AsyncGenerator<longrunning.Operation.$Properties, void, undefined> {
    for (let pageToken = '', isFirst = true; isFirst || pageToken !== ''; isFirst = false) {
      const page = await this.page({ ...options, pageToken }, signal);
      for (const operation of page.operations) yield operation;
      pageToken = page.nextPageToken;
    }
  }

  /** Asks for an end. The operation then ends with the status CANCELLED; one that has ended already stays as it is. */
  async cancel(name: string, signal?: AbortSignal): Promise<void> {
    await callUnary(this.#remote, methods.cancelOperation, { name }, signal);
  }

  /** Makes the server forget an operation that is done; one that still runs is FAILED_PRECONDITION (OP-5). */
  async delete(name: string, signal?: AbortSignal): Promise<void> {
    await callUnary(this.#remote, methods.deleteOperation, { name }, signal);
  }

  /** Returns the operation when it is done, however long that takes. */
  async wait(name: string, signal?: AbortSignal): Promise<longrunning.Operation> {
    // Well before the deadline of the call passes.
    const timeout = secondsAndNanosOf(Math.min(maxWaitMs, this.#remote.channel.timeoutMs / 2));
    const request = { name, timeout };
    for (;;) {
      const operation = await callUnary(this.#remote, methods.waitOperation, request, signal);
      if (operation.done) return operation;
    }
  }
}
