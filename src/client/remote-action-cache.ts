import type { ActionCache } from '../actioncache/action-cache.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { Digest } from '../digest/digest.js';
import type { reapi } from '../proto/index.js';
import { AdminClient } from './admin-client.js';
import { methods } from './method.js';
import { callUnary, functionValueOf, type RemoteInstance } from './remote-instance.js';

/** The ActionCache of any REAPI server. Only a `bgd` server can be told to forget a result. */
export class RemoteActionCache implements ActionCache {
  readonly #remote: RemoteInstance;
  readonly #admin: AdminClient;

  constructor(remote: RemoteInstance) {
    this.#remote = remote;
    this.#admin = new AdminClient(remote);
  }

  async get(actionDigest: Digest, signal?: AbortSignal): Promise<reapi.ActionResult | undefined> {
    try {
      return await callUnary(this.#remote, methods.getActionResult, this.#requestFor(actionDigest), signal);
    } catch (reason) {
      // AC-1: the only code that means a miss.
      if (reason instanceof StatusError && reason.code === Code.NotFound) return undefined;
      throw reason;
    }
  }

  async update(
    actionDigest: Digest,
    actionResult: reapi.ActionResult,
    signal?: AbortSignal,
  ): Promise<reapi.ActionResult> {
    const request = { ...this.#requestFor(actionDigest), actionResult };
    return callUnary(this.#remote, methods.updateActionResult, request, signal);
  }

  async delete(actionDigest: Digest, signal?: AbortSignal): Promise<void> {
    await this.#admin.deleteActionResult(actionDigest, signal);
  }

  #requestFor(actionDigest: Digest): reapi.GetActionResultRequest.$Properties {
    return {
      instanceName: this.#remote.instanceName,
      actionDigest: actionDigest.toProto(),
      digestFunction: functionValueOf(actionDigest),
    };
  }
}
