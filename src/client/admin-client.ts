import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { Digest } from '../digest/digest.js';
import type { bgdadmin } from '../proto/index.js';
import { type Method, methods } from './method.js';
import { callUnary, functionValueOf, type RemoteInstance } from './remote-instance.js';

/** What a store tells of itself and of its parts. */
export type CasStats = bgdadmin.CasStats.$Properties;

/** Which bots {@link AdminClient.listBots} tells of. */
export interface BotListOptions {
  /** Only those that could take an action that asks for these. @defaultValue all */
  readonly properties?: readonly { readonly name: string; readonly value: string }[];
  /** @defaultValue the server's choice */
  readonly pageSize?: number;
  /** What the last page told. @defaultValue the first page */
  readonly pageToken?: string;
}

/** Looks after the caches, the operations and the bots of a `bgd` server. Any other answers UNIMPLEMENTED, and is named in the error. */
export class AdminClient {
  readonly #remote: RemoteInstance;

  constructor(remote: RemoteInstance) {
    this.#remote = remote;
  }

  /** Has the result of an action forgotten. Returns whether there was one. */
  async deleteActionResult(actionDigest: Digest, signal?: AbortSignal): Promise<boolean> {
    const { instanceName } = this.#remote;
    const request = {
      instanceName,
      actionDigest: actionDigest.toProto(),
      digestFunction: functionValueOf(actionDigest),
    };
    const { existed } = await this.#call(methods.deleteActionResult, request, signal);
    return existed;
  }

  /** Asks how much the CAS holds, and what it is made of. */
  casStats(signal?: AbortSignal): Promise<CasStats> {
    return this.#call(methods.getCasStats, { instanceName: this.#remote.instanceName }, signal);
  }

  /** Asks for all that is known of an operation. An unknown name is NOT_FOUND. */
  operationDetails(name: string, signal?: AbortSignal): Promise<bgdadmin.OperationDetails> {
    return this.#call(methods.getOperationDetails, { name }, signal);
  }

  /** Has a job taken away from its bot, and queued again. FAILED_PRECONDITION if no bot has it. */
  async requeue(name: string, signal?: AbortSignal): Promise<void> {
    await this.#call(methods.requeueOperation, { name }, signal);
  }

  /** One page of the bots of the instance. */
  listBots({ properties = [], ...page }: BotListOptions, signal?: AbortSignal): Promise<bgdadmin.ListBotsResponse> {
    const request = { ...page, instanceName: this.#remote.instanceName, properties: [...properties] };
    return this.#call(methods.listBots, request, signal);
  }

  /** Lets a bot get nothing new, or anything again. One that the server does not know is NOT_FOUND. */
  async drainBot(botId: string, isDrained: boolean, signal?: AbortSignal): Promise<void> {
    const { instanceName } = this.#remote;
    await this.#call(methods.drainBot, { instanceName, botId, undo: !isDrained }, signal);
  }

  async #call<Request extends object, Response extends object>(
    method: Method<Request, Response>,
    request: Request,
    signal?: AbortSignal,
  ): Promise<Response> {
    try {
      return await callUnary(this.#remote, method, request, signal);
    } catch (reason) {
      if (!isUnknownService(reason)) throw reason;
      const text = `${this.#remote.channel.url} takes no admin calls: REAPI has none, and only a bgd server offers them`;
      throw new StatusError(Code.Unimplemented, text, { cause: reason });
    }
  }
}

/** A server that knows the service says by itself what it lacks, such as an action cache. */
function isUnknownService(reason: unknown): boolean {
  return reason instanceof StatusError && reason.code === Code.Unimplemented && !reason.message.startsWith('Instance ');
}
