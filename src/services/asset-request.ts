import type { AssetKind, Qualifier } from '../assets/asset.js';
import type { AssetQuery } from '../assets/asset-source.js';
import type { AssetPush } from '../assets/asset-store.js';
import { qualifiersOf } from '../assets/qualifiers.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { Digest, type DigestMessage } from '../digest/digest.js';
import { digestFunctionOf } from '../digest/digest-function.js';
import type { remoteasset } from '../proto/index.js';
import { millisecondsOf } from '../proto/timestamp.js';
import { maxAssetNameLength, maxAssetReferences, maxAssetUris } from './limits.js';

/** What FetchBlobRequest and FetchDirectoryRequest have in common. */
export type FetchRequest = remoteasset.FetchBlobRequest | remoteasset.FetchDirectoryRequest;

/** What PushBlobRequest and PushDirectoryRequest have in common. */
export type PushRequest = remoteasset.PushBlobRequest | remoteasset.PushDirectoryRequest;

/** What a fetch asks for. Throws INVALID_ARGUMENT: without URIs, too, which is how clients probe for the service (AS-1). */
export function queryOf(kind: AssetKind, request: FetchRequest): AssetQuery {
  const { uris, digestFunction } = request;
  const qualifiers = namesOf(request);
  const timeoutMs = millisecondsOf(request.timeout);
  if (timeoutMs !== undefined && timeoutMs < 0) {
    throw new StatusError(Code.InvalidArgument, `A timeout of ${timeoutMs} ms is negative`);
  }
  return {
    kind,
    uris,
    qualifiers,
    oldestAcceptedMs: millisecondsOf(request.oldestContentAccepted),
    function: digestFunction ? digestFunctionOf(digestFunction) : undefined,
    timeoutMs,
  };
}

/** What a push wants named. Throws INVALID_ARGUMENT: without URIs, too, which is how clients probe for the service (AS-1). */
export function pushOf(kind: AssetKind, request: PushRequest, digest: DigestMessage | null | undefined): AssetPush {
  const { uris, digestFunction, referencesBlobs, referencesDirectories } = request;
  const qualifiers = namesOf(request);
  const references = referencesBlobs.length + referencesDirectories.length;
  if (references > maxAssetReferences) {
    throw new StatusError(
      Code.InvalidArgument,
      `The asset has ${references} references: at most ${maxAssetReferences} are possible`,
    );
  }
  const fn = digestFunctionOf(digestFunction, digest?.hash);
  return {
    kind,
    uris,
    qualifiers,
    digest: Digest.fromProto(digest, fn),
    references: {
      blobs: referencesBlobs.map((each) => Digest.fromProto(each, fn)),
      roots: referencesDirectories.map((each) => Digest.fromProto(each, fn)),
    },
    expiresAtMs: millisecondsOf(request.expireAt),
  };
}

/** Checks the URIs, and returns the qualifiers in their canonical form. */
function namesOf({ uris, qualifiers }: FetchRequest | PushRequest): readonly Qualifier[] {
  if (uris.length === 0) throw new StatusError(Code.InvalidArgument, 'The request has no URI: at least one is wanted');
  if (uris.length > maxAssetUris) {
    throw new StatusError(
      Code.InvalidArgument,
      `The request has ${uris.length} URIs: at most ${maxAssetUris} are possible`,
    );
  }
  if (uris.includes('')) throw new StatusError(Code.InvalidArgument, 'A URI is empty');
  const texts = [...uris, ...qualifiers.flatMap(({ name, value }) => [name ?? '', value ?? ''])];
  const length = texts.reduce((sum, text) => sum + text.length, 0);
  if (length > maxAssetNameLength) {
    throw new StatusError(
      Code.InvalidArgument,
      `URIs and qualifiers have ${length} characters: at most ${maxAssetNameLength} are possible`,
    );
  }
  return qualifiersOf(qualifiers);
}
