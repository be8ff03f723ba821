import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { Digest } from '../digest/digest.js';
import type { bgdadmin } from '../proto/index.js';
import { type Method, methods } from './method.js';
import { callUnary, functionValueOf, type RemoteInstance } from './remote-instance.js';

/** What a store tells of itself and of its parts. */
export type CasStats = bgdadmin.CasStats.$Properties;

/** Looks after the caches of a `bgd` server. Any other answers UNIMPLEMENTED, and is named in the error. */
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
