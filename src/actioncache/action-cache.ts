import type { Digest } from '../digest/digest.js';
import type { reapi } from '../proto/index.js';

/** Results of actions by the digest of the Action. The last write wins. */
export interface ActionCache {
  /** Returns the result, or `undefined` on a miss. Trouble with the store behind it is thrown, never told as a miss. */
  get(actionDigest: Digest, signal?: AbortSignal): Promise<reapi.ActionResult | undefined>;

  /**
   * Offered where results may be in memory: a result as it was encoded, if at once it is known that {@link get} would return it.
   * `undefined` says nothing at all. Nobody may change the bytes.
   */
  getEncoded?(actionDigest: Digest): Uint8Array | undefined;

  /**
   * Stores a result in place of any other, and returns what is stored, which may be put in another form (AC-4). Durable,
   * where the store is, when it resolves.
   */
  update(actionDigest: Digest, result: reapi.ActionResult, signal?: AbortSignal): Promise<reapi.ActionResult>;

  /** Forgets a result; an absent one is ignored. */
  delete(actionDigest: Digest, signal?: AbortSignal): Promise<void>;
}
