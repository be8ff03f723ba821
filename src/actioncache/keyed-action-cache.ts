import { type Logger, silentLogger } from '../common/logger.js';
import type { Digest } from '../digest/digest.js';
import type { KeyedStore } from '../keyedstore/keyed-store.js';
import { decodeMessage } from '../proto/any.js';
import { reapi } from '../proto/index.js';
import type { ActionCache } from './action-cache.js';
import { withWorker } from './action-result.js';

/** Keeps results in a {@link KeyedStore}, under `ac/FUNCTION/HASH-SIZE`. What an action's digest names, it never asks. */
export class KeyedActionCache implements ActionCache {
  readonly #store: KeyedStore;
  readonly #logger: Logger;

  constructor(store: KeyedStore, logger: Logger = silentLogger) {
    this.#store = store;
    this.#logger = logger;
  }

  async get(actionDigest: Digest, signal?: AbortSignal): Promise<reapi.ActionResult | undefined> {
    const key = keyOf(actionDigest);
    const bytes = await this.#store.get(key, signal);
    if (!bytes) return undefined;
    try {
      return decodeMessage('an ActionResult', reapi.ActionResult, bytes);
    } catch (err) {
      this.#logger.error({ err, key }, 'A stored action result does not decode and is dropped');
      await this.#store.delete(key, signal);
      return undefined;
    }
  }

  getEncoded(actionDigest: Digest): Uint8Array | undefined {
    return this.#store.peek?.(keyOf(actionDigest));
  }

  async update(actionDigest: Digest, result: reapi.ActionResult, signal?: AbortSignal): Promise<reapi.ActionResult> {
    const stored = withWorker(result);
    const bytes = reapi.ActionResult.encode(stored).finish();
    await this.#store.put(keyOf(actionDigest), bytes, {}, signal);
    return stored;
  }

  async delete(actionDigest: Digest, signal?: AbortSignal): Promise<void> {
    await this.#store.delete(keyOf(actionDigest), signal);
  }
}

function keyOf(actionDigest: Digest): string {
  return `ac/${actionDigest.key}`;
}
