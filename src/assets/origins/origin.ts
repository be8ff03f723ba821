import type { Digest } from '../../digest/digest.js';
import type { DigestFunction } from '../../digest/digest-function.js';
import type { AssetKind, Qualifier } from '../asset.js';

/** What an origin is asked for. */
export interface OriginRequest {
  /** The allow-list has let it through. */
  readonly url: URL;
  readonly qualifiers: readonly Qualifier[];
  readonly function: DigestFunction;
}

/** Where content comes from that nobody has pushed. */
export interface Origin {
  /** Whether this kind of content is to be had from `url` at all. */
  serves(kind: AssetKind, url: URL): boolean;

  /**
   * Brings the content into the CAS and returns its digest. Throws NOT_FOUND, PERMISSION_DENIED and FAILED_PRECONDITION for
   * what no repetition heals, UNAVAILABLE for the rest, INVALID_ARGUMENT for qualifiers that are not supported.
   */
  retrieve(request: OriginRequest, signal: AbortSignal): Promise<Digest>;
}
