import type { DigestFunction } from '../digest/digest-function.js';
import type { Asset, AssetKind, Qualifier } from './asset.js';

/** What is asked for. Content under any of the URIs will do. */
export interface AssetQuery {
  readonly kind: AssetKind;
  readonly uris: readonly string[];
  /** Sorted by name, each name once. All of them must be among those of the asset (AS-1). */
  readonly qualifiers: readonly Qualifier[];
  /** Older content is not wanted, in milliseconds since the epoch. @defaultValue any age will do */
  readonly oldestAcceptedMs?: number | undefined;
  /** The function that the content must be digested by. @defaultValue any will do */
  readonly function?: DigestFunction | undefined;
  /** How long an origin may take. @defaultValue as long as the server lets it */
  readonly timeoutMs?: number | undefined;
}

/** Where assets are looked for. */
export interface AssetSource {
  /** Returns an asset all of whose content is in the CAS at this moment, or `undefined` if there is none. */
  find(query: AssetQuery, signal?: AbortSignal): Promise<Asset | undefined>;
}
