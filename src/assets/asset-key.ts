import { hash } from 'node:crypto';
import type { AssetKind, Qualifier } from './asset.js';

/** Where the asset of a URI with exactly these qualifiers is kept. URIs may be longer than keys may be, hence the hash. */
export function assetKey(kind: AssetKind, uri: string, qualifiers: readonly Qualifier[]): string {
  const name = JSON.stringify([uri, ...qualifiers.map(({ name, value }) => [name, value])]);
  return `asset/${kind}/${hash('sha256', name, 'hex')}`;
}

/** Where the sets of qualifiers are kept that a URI has assets for. */
export function qualifierSetsKey(kind: AssetKind, uri: string): string {
  return `asset-qualifiers/${kind}/${hash('sha256', uri, 'hex')}`;
}
