import type { Digest } from '../../digest/digest.js';
import type { DigestFunction } from '../../digest/digest-function.js';
import type { AssetKind, Qualifier } from '../asset.js';

/** What an origin is asked for. */
export interface OriginRequest {
  /** As the client wrote it. */
  readonly uri: string;
  /** Which the allow-list has let through. */
  readonly url: URL;
  readonly qualifiers: readonly Qualifier[];
  readonly function: DigestFunction;
}

/** Where content comes from that nobody has pushed. */
export interface Origin {
  /** Whether this kind of content is to be had from `url` at all. */
  serves(kind: AssetKind, url: URL, qualifiers: readonly Qualifier[]): boolean;

  /**
   * Brings the content into the CAS and returns its digest. Throws OriginError for what the other side is to blame for,
   * UNAVAILABLE while it cannot be reached, INVALID_ARGUMENT for qualifiers that are not supported.
   */
  retrieve(request: OriginRequest, signal: AbortSignal): Promise<Digest>;
}
