import { Code } from '../common/code.js';
import { KeyedMutex } from '../common/keyed-mutex.js';
import { StatusError } from '../common/status-error.js';
import type { Digest } from '../digest/digest.js';
import { reapi } from '../proto/index.js';
import type { ActionCache } from './action-cache.js';
import { detachInlineBytes } from './action-result.js';

/**
 * Keeps the first result of each action for as long as `inner` answers it, so that nobody can replace what others have
 * built upon. An update that tells nothing new succeeds, and learns what is kept: a client that repeats its call after a
 * broken line has done nothing wrong. Any other one is ALREADY_EXISTS, which no client repeats.
 *
 * Two writers in this process cannot get past each other; two processes over one store can, at the same moment, and then
 * the last of them wins. What has been deleted can be written again.
 */
export class WriteOnceActionCache implements ActionCache {
  readonly #inner: ActionCache;
  /** Held while a result is looked for and, if there is none, written. */
  readonly #updates = new KeyedMutex();

  constructor(inner: ActionCache) {
    this.#inner = inner;
  }

  get(actionDigest: Digest, signal?: AbortSignal): Promise<reapi.ActionResult | undefined> {
    return this.#inner.get(actionDigest, signal);
  }

  getEncoded(actionDigest: Digest): Uint8Array | undefined {
    return this.#inner.getEncoded?.(actionDigest);
  }

  update(actionDigest: Digest, result: reapi.ActionResult, signal?: AbortSignal): Promise<reapi.ActionResult> {
    return this.#updates.exclusive(
      actionDigest.key,
      async () => {
        const kept = await this.#inner.get(actionDigest, signal);
        if (!kept) return this.#inner.update(actionDigest, result, signal);
        const fn = actionDigest.function;
        const given = detachInlineBytes(result, fn).result;
        if (outcomeOf(given).equals(outcomeOf(kept))) return kept;
        throw new StatusError(
          Code.AlreadyExists,
          `Action ${String(actionDigest)} has another result already, and this action cache keeps the first one`,
        );
      },
      signal,
    );
  }

  delete(actionDigest: Digest, signal?: AbortSignal): Promise<void> {
    return this.#updates.exclusive(actionDigest.key, () => this.#inner.delete(actionDigest, signal), signal);
  }
}

/** All that a result says of its action, and nothing of who ran it when. */
function outcomeOf(result: reapi.ActionResult.$Properties): Buffer {
  return Buffer.from(reapi.ActionResult.encode({ ...result, executionMetadata: null }).finish());
}
