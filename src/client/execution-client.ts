import { Code } from '../common/code.js';
import { BackOff, isTransient, type RetryOptions } from '../common/retry.js';
import { StatusError } from '../common/status-error.js';
import type { Digest } from '../digest/digest.js';
import type { longrunning } from '../proto/index.js';
import { methods } from './method.js';
import { retryDelayMsOf } from './error-details.js';
import { executionFailureOf } from './operation-messages.js';
import { functionValueOf, retryOptionsOf, type RemoteInstance } from './remote-instance.js';

/** What is to be executed, and how. */
export interface ExecuteOptions {
  /** The Action; it, its Command and its inputs are in the CAS already (CL-4). */
  readonly actionDigest: Digest;
  /** Executes even if the ActionCache has a result. @defaultValue false */
  readonly skipCacheLookup?: boolean;
  /** Lower runs sooner. @defaultValue 0, the server's own default */
  readonly priority?: number;
  /** Lower is kept longer. @defaultValue 0, the server's own default */
  readonly resultsCachePriority?: number;
  readonly inlineStdout?: boolean;
  readonly inlineStderr?: boolean;
  readonly inlineOutputFiles?: readonly string[];
}

/** How patient an {@link ExecutionClient} is. */
export interface ExecutionPatience {
  /** How long a server may stay away, once it was there, before its operation is given up. @defaultValue 5 min */
  readonly patienceMs?: number;
  /** How often an execution is begun in all, when the server lost it or asks for a repetition. @defaultValue 5 */
  readonly maxExecutions?: number;
}

/** A stream that lived so long was no fluke: the next failure is a new one. */
const steadyMs = 1_000;

/** Where an execution stands. */
interface Following {
  readonly execute?: ExecuteOptions;
  name: string | undefined;
}

/**
 * Executes actions and waits for operations. A broken stream is taken up with WaitExecution under the name that the
 * server gave (RT-2), so that neither a lost connection nor a restart of the server loses an execution.
 */
export class ExecutionClient {
  readonly #remote: RemoteInstance;
  readonly #patienceMs: number;
  readonly #maxExecutions: number;

  constructor(remote: RemoteInstance, { patienceMs = 300_000, maxExecutions = 5 }: ExecutionPatience = {}) {
    this.#remote = remote;
    this.#patienceMs = patienceMs;
    this.#maxExecutions = maxExecutions;
  }

  /**
   * Executes an action and tells each state of its operation; the last is done. Repeats what the server asks to repeat.
   * Throws what kept the operation from coming about; `missingBlobsOf` tells whether uploading would help. An abort
   * stops listening, no more: the operation goes on.
   */
  execute(options: ExecuteOptions, signal?: AbortSignal): AsyncGenerator<longrunning.Operation, void, undefined> {
    return this.#follow({ execute: options, name: undefined }, signal);
  }

  /** Tells each state of a known operation; the last is done. Throws NOT_FOUND if the server does not know it. */
  wait(name: string, signal?: AbortSignal): AsyncGenerator<longrunning.Operation, void, undefined> {
    return this.#follow({ name }, signal);
  }

  async *#follow(following: Following, signal?: AbortSignal): AsyncGenerator<longrunning.Operation, void, undefined> {
    const reconnecting = new BackOff(this.#reconnecting());
    const repeating = new BackOff(this.#repeating());
    for (;;) {
      try {
        for await (const operation of this.#stream(following, reconnecting, signal)) {
          if (operation.done && (await isRepeated(following, operation, repeating, signal))) break;
          yield operation;
          if (operation.done) return;
        }
      } catch (reason) {
        if (following.execute && following.name !== undefined && isNotFound(reason)) {
          await repeating.pause(reason, signal);
          following.name = undefined;
        } else {
          await reconnecting.pause(reason, signal);
        }
      }
    }
  }

  /** One call's worth of states. Throws also when the stream ends without the last. */
  async *#stream(
    following: Following,
    reconnecting: BackOff,
    signal?: AbortSignal,
  ): AsyncGenerator<longrunning.Operation, void, undefined> {
    const { channel } = this.#remote;
    const { clock } = this.#reconnecting();
    const openedAt = clock.now();
    let hasAnswered = false;
    try {
      for await (const operation of this.#call(following, signal)) {
        if (following.name === undefined) reconnecting.reset();
        hasAnswered = true;
        following.name = operation.name;
        yield operation;
      }
    } finally {
      if (hasAnswered && clock.now() - openedAt >= steadyMs) reconnecting.reset();
    }
    throw new StatusError(Code.Unavailable, `${channel.url} stopped telling of the operation before it was done`);
  }

  #call({ execute, name }: Following, signal?: AbortSignal): AsyncIterable<longrunning.Operation> {
    const { channel, instanceName } = this.#remote;
    if (!execute || name !== undefined) {
      return channel.serverStream(methods.waitExecution, { name: name ?? '' }, {}, signal);
    }
    const { actionDigest, priority, resultsCachePriority, inlineOutputFiles, ...flags } = execute;
    const request = {
      ...flags,
      instanceName,
      actionDigest: actionDigest.toProto(),
      digestFunction: functionValueOf(actionDigest),
      ...(priority !== undefined && { executionPolicy: { priority } }),
      ...(resultsCachePriority !== undefined && { resultsCachePolicy: { priority: resultsCachePriority } }),
      ...(inlineOutputFiles && { inlineOutputFiles: [...inlineOutputFiles] }),
    };
    return channel.serverStream(methods.execute, request, {}, signal);
  }

  /** How broken streams are taken up: by time, not by attempts, for a restart takes as long as it takes. */
  #reconnecting(): RetryOptions {
    const options = retryOptionsOf(this.#remote);
    const policy = { ...options.policy, maxAttempts: Infinity, maxElapsedMs: this.#patienceMs };
    return { ...options, policy, shouldRetry: (reason) => isBrokenLine(reason) || options.shouldRetry(reason) };
  }

  #repeating(): RetryOptions {
    const options = retryOptionsOf(this.#remote);
    return { ...options, policy: { ...options.policy, maxAttempts: this.#maxExecutions }, shouldRetry: () => true };
  }
}

/** Whether the execution is to be begun again, after a while: the server could not carry it out, this time. */
async function isRepeated(
  following: Following,
  operation: longrunning.Operation,
  repeating: BackOff,
  signal?: AbortSignal,
): Promise<boolean> {
  const failure = executionFailureOf(operation);
  const isCurable = failure !== undefined && (isTransient(failure) || retryDelayMsOf(failure) > 0);
  if (!following.execute || !isCurable) return false;
  try {
    await repeating.pause(failure, signal);
  } catch {
    return false; // It was begun often enough: what the operation says is the result.
  }
  following.name = undefined;
  return true;
}

/** Proxies and restarts end streams with these as well; that the caller aborted is never among the retried. */
function isBrokenLine(reason: unknown): boolean {
  return reason instanceof StatusError && (reason.code === Code.Cancelled || reason.code === Code.DeadlineExceeded);
}

function isNotFound(reason: unknown): boolean {
  return reason instanceof StatusError && reason.code === Code.NotFound;
}
