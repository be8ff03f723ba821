import { detachInlineBytes, referencesOf } from '../actioncache/action-result.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { Digest } from '../digest/digest.js';
import { digestFunctionOf } from '../digest/digest-function.js';
import { decodeMessage } from '../proto/any.js';
import { reapi } from '../proto/index.js';
import type { CallContext } from './call-context.js';
import { type ResultQuestion, resultQuestionIn } from './get-result-bytes.js';
import { inlineOutputs } from './inline-outputs.js';
import type { InstanceRegistry } from './instance-registry.js';

/** Serves `ActionCache` from the action caches of its instances. The digest of an action is a key, and never looked into. */
export class ActionCacheService {
  readonly #registry: InstanceRegistry;

  /** A build asks for the result of each of its actions. */
  readonly raw = {
    getActionResult: (request: Buffer, context: CallContext): Uint8Array | Promise<Uint8Array> => {
      const question = resultQuestionIn(request);
      return (question && this.#getEncoded(question)) ?? this.#getDecoded(request, context);
    },
  };

  constructor(registry: InstanceRegistry) {
    this.#registry = registry;
  }

  async getActionResult(
    request: reapi.GetActionResultRequest,
    { signal }: CallContext,
  ): Promise<reapi.ActionResult.$Properties> {
    const cache = this.#registry.actionCache(request.instanceName);
    const actionDigest = actionDigestOf(request);
    const result = await cache.get(actionDigest, signal);
    if (!result) {
      throw new StatusError(Code.NotFound, `No result of action ${String(actionDigest)} is in the action cache`);
    }
    const { blobs } = this.#registry.get(request.instanceName);
    // Without a CAS there is nothing to inline from; hints are only hints (AC-3).
    return blobs ? inlineOutputs(result, request, { blobs, fn: actionDigest.function }, signal) : result;
  }

  #getEncoded({ instanceName, actionDigest }: ResultQuestion): Uint8Array | undefined {
    return this.#registry.actionCache(instanceName).getEncoded?.(actionDigest);
  }

  async #getDecoded(request: Buffer, context: CallContext): Promise<Uint8Array> {
    const decoded = decodeMessage('a GetActionResultRequest', reapi.GetActionResultRequest, request);
    return reapi.ActionResult.encode(await this.getActionResult(decoded, context)).finish();
  }

  async updateActionResult(
    request: reapi.UpdateActionResultRequest,
    { signal }: CallContext,
  ): Promise<reapi.ActionResult.$Properties> {
    const { instanceName, actionResult } = request;
    const cache = this.#registry.actionCache(instanceName);
    this.#registry.assertWritable(instanceName);
    if (this.#registry.get(instanceName).allowsActionCacheUpdates !== true) {
      throw new StatusError(
        Code.PermissionDenied,
        `Clients may not write the action cache of instance ${JSON.stringify(instanceName)}`,
      );
    }
    const actionDigest = actionDigestOf(request);
    if (!actionResult) throw new StatusError(Code.InvalidArgument, 'action_result is not set');
    // Checked here, for what does not pass is the client's mistake; the bytes are put into the CAS by the cache.
    referencesOf(detachInlineBytes(actionResult, actionDigest.function).result, actionDigest.function);
    return cache.update(actionDigest, reapi.ActionResult.create(actionResult), signal);
  }
}

function actionDigestOf({
  actionDigest,
  digestFunction,
}: Pick<reapi.GetActionResultRequest, 'actionDigest' | 'digestFunction'>): Digest {
  return Digest.fromProto(actionDigest, digestFunctionOf(digestFunction, actionDigest?.hash));
}
