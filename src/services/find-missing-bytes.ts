import type { BlobPresence } from '../blobstore/blob-presence.js';
import { type DigestFunction, SHA256 } from '../digest/digest-function.js';
import { isHashAt, isLowerHexAt } from '../digest/hash-text.js';
import { digestTags, functionOf, isPlain, sizeBetween } from './digest-bytes.js';
import { DistinctParts } from './distinct-parts.js';

/** Fields of `FindMissingBlobsRequest`: number and wire type. */
const tags = { instanceName: 0x0a, blobDigest: 0x12, digestFunction: 0x18 } as const;

/** Of the shortest hash, that of SHA-1. */
const minFieldBytes = 44;

const nothing = Buffer.alloc(0);

/** What a request says besides its digests. */
interface Outline {
  readonly instanceName: string;
  readonly fn: DigestFunction;
}

/**
 * Answers an encoded `FindMissingBlobsRequest` with an encoded response, making no object of a digest: asks `presenceOf` an
 * instance for each where it stands, and copies those that are missing, each once (CAS-1).
 *
 * Returns `undefined` for a request that has anything unusual in it, be it wrong or only rare, and where there is nothing
 * that knows in memory: such a request is to be decoded. Throws what `presenceOf` throws.
 */
export function findMissingInBytes(
  request: Buffer,
  presenceOf: (instanceName: string) => BlobPresence | undefined,
): Buffer | undefined {
  const outline = outlineOf(request);
  const presence = outline && presenceOf(outline.instanceName);
  if (!presence) return undefined;
  let missing: DistinctParts | undefined;
  for (let start = 0; start < request.length;) {
    const end = endOfField(request, start);
    if (request[start] === tags.blobDigest) {
      const isPresent = look(request, { start, end }, outline.fn, presence);
      if (isPresent === undefined) return undefined;
      if (!isPresent) (missing ??= new DistinctParts(request, minFieldBytes)).add(start, end);
    }
    start = end;
  }
  // `blob_digests` in the request and `missing_blob_digests` in the response look the same.
  return missing?.joined() ?? nothing;
}

/** Walks over the fields; `undefined` if one of them is not as it mostly is. */
function outlineOf(request: Buffer): Outline | undefined {
  let instanceName = '';
  let functionValue = 0;
  let hexLength = 0;
  for (let start = 0, end = 0; start < request.length; start = end) {
    end = endOfField(request, start);
    if (end > request.length) return undefined;
    const value = request.readUInt8(start + 1);
    if (request[start] === tags.instanceName) {
      instanceName = request.toString('latin1', start + 2, end);
      // Also one that another replaces must decode.
      if (!isPlain(instanceName)) return undefined;
    } else if (request[start] === tags.digestFunction) functionValue = value;
    else if (hexLength === 0 && value > 1) hexLength = request.readUInt8(start + 3);
  }
  const fn = functionOf(functionValue, hexLength || SHA256.hexLength);
  return fn && { instanceName, fn };
}

/** Where the field at `start` ends; beyond the message, if it is none of the three with a length or a value below 128. */
function endOfField(request: Buffer, start: number): number {
  const tag = request[start];
  const value = request[start + 1] ?? 0xff;
  if (value > 0x7f) return Infinity;
  if (tag === tags.blobDigest || tag === tags.instanceName) return start + 2 + value;
  return tag === tags.digestFunction ? start + 2 : Infinity;
}

/** Whether the digest in the field from `start` to `end` is there; `undefined` if it is not as it mostly is. */
function look(
  request: Buffer,
  { start, end }: { readonly start: number; readonly end: number },
  fn: DigestFunction,
  presence: BlobPresence,
): boolean | undefined {
  const hashStart = start + 4;
  const hashEnd = hashStart + fn.hexLength;
  if (request[start + 2] !== digestTags.hash || request[start + 3] !== fn.hexLength || hashEnd > end) return undefined;
  const sizeBytes = sizeBetween(request, hashEnd, end);
  if (sizeBytes === undefined || (sizeBytes === 0) !== isHashAt(fn.emptyHash, request, hashStart)) return undefined;
  if (presence.touch(fn, request, hashStart, sizeBytes)) return true;
  return isLowerHexAt(request, hashStart, fn.hexLength) ? false : undefined;
}
