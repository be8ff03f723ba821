import type { BlobPresence } from '../blobstore/blob-presence.js';
import type { DigestFunction } from '../digest/digest-function.js';
import { varintAt, varintBytes } from '../proto/varint.js';

// What can be said of an encoded ActionResult without making objects of it. It is one that was encoded here, and so is
// well-formed; all the same nothing is taken for granted, and whatever is rare is left to those who decode.

/** Fields of `ActionResult`, of `OutputFile` and of `Digest`: number and wire type. */
const tags = {
  outputFile: 0x12,
  exitCode: 0x20,
  stdoutDigest: 0x32,
  stderrDigest: 0x42,
  executionMetadata: 0x4a,
  path: 0x0a,
  digest: 0x12,
  isExecutable: 0x20,
  nodeProperties: 0x3a,
  hash: 0x0a,
  sizeBytes: 0x10,
} as const;

/** `output_file_symlinks`, `output_directory_symlinks` and `output_symlinks`: they refer to no blobs. */
const symlinkTags: readonly number[] = [0x52, 0x5a, 0x62];

const slash = 0x2f;

/** Called with a field: its tag, and where its value begins and ends. Returns false to stop. */
type OnField = (tag: number, start: number, end: number) => boolean;

/** Whether an action is known to have ended with exit code 0. */
export function isKnownSuccess(result: Uint8Array): boolean {
  return everyField(result, 0, result.length, (tag, start) => tag !== tags.exitCode || result[start] === 0);
}

/** An encoded result, by which function it refers to blobs, and what knows of those. */
interface Asked {
  readonly result: Uint8Array;
  readonly fn: DigestFunction;
  readonly presence: BlobPresence;
}

/**
 * Whether all that an encoded result refers to is known in memory to be there, which has it kept. False says nothing: a
 * blob may be missing, or the result has Trees, bytes, or whatever else is for those to look at who decode it.
 */
export function isKnownComplete(result: Uint8Array, fn: DigestFunction, presence: BlobPresence): boolean {
  const asked = { result, fn, presence };
  return everyField(result, 0, result.length, (tag, start, end) => {
    if (tag === tags.outputFile) return isFileThere(asked, start, end);
    if (tag === tags.stdoutDigest || tag === tags.stderrDigest) return isBlobThere(asked, start, end);
    return tag === tags.exitCode || tag === tags.executionMetadata || symlinkTags.includes(tag);
  });
}

function isFileThere(asked: Asked, start: number, end: number): boolean {
  const { result } = asked;
  let found = 0;
  const isUsual = everyField(result, start, end, (tag, from, to) => {
    if (tag === tags.path || tag === tags.digest) found += 1;
    if (tag === tags.path) return to > from && result[from] !== slash;
    if (tag === tags.digest) return isBlobThere(asked, from, to);
    return tag === tags.isExecutable || tag === tags.nodeProperties;
  });
  // A path and a digest: of one that comes twice another might count.
  return isUsual && found === 2;
}

function isBlobThere({ result, fn, presence }: Asked, start: number, end: number): boolean {
  const hashStart = start + 2;
  const hashEnd = hashStart + fn.hexLength;
  if (result[start] !== tags.hash || result[start + 1] !== fn.hexLength || hashEnd > end) return false;
  if (hashEnd === end) return presence.touch(fn, result, hashStart, 0);
  const sizeBytes = varintAt(result, hashEnd + 1);
  const isSize = result[hashEnd] === tags.sizeBytes && hashEnd + 1 + varintBytes(sizeBytes) === end;
  return isSize && presence.touch(fn, result, hashStart, sizeBytes);
}

/** Whether from `start` to `end` there are fields of bytes and of numbers, and `onField` is content with each. */
function everyField(bytes: Uint8Array, start: number, end: number, onField: OnField): boolean {
  let next = start;
  for (let at = start; at < end; at = next) {
    const tag = bytes[at] ?? 0;
    const value = varintAt(bytes, at + 1);
    const from = at + 1 + varintBytes(value);
    const isBytes = (tag & 7) === 2;
    next = isBytes ? from + value : from;
    if (tag > 0x7f || (!isBytes && (tag & 7) !== 0) || next > end) return false;
    if (!onField(tag, isBytes ? from : at + 1, next)) return false;
  }
  return true;
}
