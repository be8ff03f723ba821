import type { BlobStore } from '../blobstore/blob-store.js';
import { type Logger, silentLogger } from '../common/logger.js';
import type { Digest } from '../digest/digest.js';
import type { reapi } from '../proto/index.js';
import type { ActionCache } from './action-cache.js';
import { isKnownComplete } from './encoded-result.js';
import { faultOfResult } from './fault-of-result.js';
import { storeInlineBytes } from './store-inline-bytes.js';

/**
 * Answers only results whose every output is in the CAS at this moment (AC-2, D5), and by asking for them has them kept.
 * A result that lacks one, or cannot be understood, is a miss and is dropped; trouble with a store is thrown, for it says
 * nothing about the result. Bytes that a result carries inline go to the CAS before it is stored (AC-4).
 */
export class CompletenessCheckingActionCache implements ActionCache {
  readonly #inner: ActionCache;
  readonly #blobs: BlobStore;
  readonly #logger: Logger;

  constructor(inner: ActionCache, blobs: BlobStore, logger: Logger = silentLogger) {
    this.#inner = inner;
    this.#blobs = blobs;
    this.#logger = logger;
  }

  async get(actionDigest: Digest, signal?: AbortSignal): Promise<reapi.ActionResult | undefined> {
    const result = await this.#inner.get(actionDigest, signal);
    if (!result) return undefined;
    const fault = await faultOfResult(result, { blobs: this.#blobs, fn: actionDigest.function }, signal);
    if (!fault) return result;
    this.#logger.info({ actionDigest, fault: fault.message }, 'An action result that is no longer complete is dropped');
    await this.#inner.delete(actionDigest, signal);
    return undefined;
  }

  getEncoded(actionDigest: Digest): Uint8Array | undefined {
    const { presence } = this.#blobs;
    const result = presence && this.#inner.getEncoded?.(actionDigest);
    return result && isKnownComplete(result, actionDigest.function, presence) ? result : undefined;
  }

  async update(actionDigest: Digest, result: reapi.ActionResult, signal?: AbortSignal): Promise<reapi.ActionResult> {
    const stored = await storeInlineBytes(result, { blobs: this.#blobs, fn: actionDigest.function }, signal);
    return this.#inner.update(actionDigest, stored, signal);
  }

  delete(actionDigest: Digest, signal?: AbortSignal): Promise<void> {
    return this.#inner.delete(actionDigest, signal);
  }
}
