import type { Digest } from '../digest/digest.js';
import type { Content } from '../merkle/find-missing-content.js';

/** Whether a name stands for a single blob or for a tree; a URI may have one of each. */
export type AssetKind = 'blob' | 'directory';

/** Says which content of a URI is meant, or what it must be like. */
export interface Qualifier {
  readonly name: string;
  readonly value: string;
}

/** What names have in common that are given together. */
export interface AssetContent {
  readonly kind: AssetKind;
  /** Sorted by name, each name once. */
  readonly qualifiers: readonly Qualifier[];
  /** The blob or the root Directory. */
  readonly digest: Digest;
  /** What else has to be there. */
  readonly references: Content;
  /** When the names are forgotten, in milliseconds since the epoch; `undefined` is never. */
  readonly expiresAtMs: number | undefined;
}

/** Content of the CAS under a URI with qualifiers. */
export interface Asset extends AssetContent {
  readonly uri: string;
  /** When it was pushed, or when its retrieval began, in milliseconds since the epoch. */
  readonly storedAtMs: number;
}
