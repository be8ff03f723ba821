import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { Digest } from '../digest/digest.js';
import type { reapi } from '../proto/index.js';
import type { ActionCache } from './action-cache.js';
import { isKnownSuccess } from './encoded-result.js';

/**
 * Holds only results of actions that ended with exit code 0 (AC-8): a failure may be the worker's, and cached it would meet
 * everybody. Whoever wants to store another is refused with FAILED_PRECONDITION; one that got into `inner` by another way
 * is a miss, and is left there for those who want it.
 */
export class FailureExcludingActionCache implements ActionCache {
  readonly #inner: ActionCache;

  constructor(inner: ActionCache) {
    this.#inner = inner;
  }

  async get(actionDigest: Digest, signal?: AbortSignal): Promise<reapi.ActionResult | undefined> {
    const result = await this.#inner.get(actionDigest, signal);
    return result?.exitCode === 0 ? result : undefined;
  }

  getEncoded(actionDigest: Digest): Uint8Array | undefined {
    const result = this.#inner.getEncoded?.(actionDigest);
    return result && isKnownSuccess(result) ? result : undefined;
  }

  async update(actionDigest: Digest, result: reapi.ActionResult, signal?: AbortSignal): Promise<reapi.ActionResult> {
    if (result.exitCode === 0) return this.#inner.update(actionDigest, result, signal);
    throw new StatusError(
      Code.FailedPrecondition,
      `Action ${String(actionDigest)} ended with exit code ${result.exitCode}: only results of exit code 0 are kept here (cache-failed-actions would keep all)`,
    );
  }

  delete(actionDigest: Digest, signal?: AbortSignal): Promise<void> {
    return this.#inner.delete(actionDigest, signal);
  }
}
