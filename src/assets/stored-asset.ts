import { Digest } from '../digest/digest.js';
import { digestFunctionOf } from '../digest/digest-function.js';
import { decodeMessage } from '../proto/any.js';
import { bgdassets } from '../proto/index.js';
import { millisecondsOf, secondsAndNanosOf } from '../proto/timestamp.js';
import type { Asset, AssetKind, Qualifier } from './asset.js';
import { qualifiersOf } from './qualifiers.js';

/** The form in which a KeyedStore keeps an asset. */
export function encodeAsset(asset: Asset): Uint8Array {
  const { uri, qualifiers, storedAtMs, expiresAtMs, digest, references } = asset;
  return bgdassets.StoredAsset.encode({
    uri,
    qualifiers: [...qualifiers],
    storedAt: secondsAndNanosOf(storedAtMs),
    ...(expiresAtMs !== undefined && { expiresAt: secondsAndNanosOf(expiresAtMs) }),
    digestFunction: digest.function.value,
    digest: digest.toProto(),
    referencesBlobs: references.blobs.map((each) => each.toProto()),
    referencesDirectories: references.roots.map((each) => each.toProto()),
  }).finish();
}

/** Reads what {@link encodeAsset} made. Throws INVALID_ARGUMENT for anything else. */
export function decodeAsset(kind: AssetKind, bytes: Uint8Array): Asset {
  const stored = decodeMessage('a stored asset', bgdassets.StoredAsset, bytes);
  const fn = digestFunctionOf(stored.digestFunction);
  return {
    kind,
    uri: stored.uri,
    qualifiers: qualifiersOf(stored.qualifiers),
    storedAtMs: millisecondsOf(stored.storedAt) ?? 0,
    expiresAtMs: millisecondsOf(stored.expiresAt),
    digest: Digest.fromProto(stored.digest, fn),
    references: {
      blobs: stored.referencesBlobs.map((each) => Digest.fromProto(each, fn)),
      roots: stored.referencesDirectories.map((each) => Digest.fromProto(each, fn)),
    },
  };
}

/** The form in which a KeyedStore keeps the sets of qualifiers of a URI. */
export function encodeQualifierSets(sets: readonly (readonly Qualifier[])[]): Uint8Array {
  return bgdassets.StoredQualifierSets.encode({ sets: sets.map((set) => ({ qualifiers: [...set] })) }).finish();
}

/** Reads what {@link encodeQualifierSets} made. Throws INVALID_ARGUMENT for anything else. */
export function decodeQualifierSets(bytes: Uint8Array): readonly (readonly Qualifier[])[] {
  const { sets } = decodeMessage('sets of qualifiers', bgdassets.StoredQualifierSets, bytes);
  return sets.map(({ qualifiers }) => qualifiersOf(qualifiers ?? []));
}
