import { type DigestFunction, SHA256, digestFunctions } from '../../digest/digest-function.js';
import { crc32 } from './crc32.js';
import type { PackPlace } from './pack-place.js';

// A record: header, raw hash, the blob's bytes, and zeros up to a multiple of 8. Numbers are little-endian.
//
//    0  magic
//    4  CRC-32 of what follows up to the end of the hash, seeded with the segment's salt and the record's own offset
//    8  kind: 1 = blob, 2 = tombstone
//    9  number of the digest function in the protocol
//   10  length of the raw hash
//   11  0
//   12  size of the blob; that of a tombstone is said, but no bytes follow
//   16  of a tombstone: segment of the blob it is about
//   20  of a tombstone: offset of the blob it is about
//   24  raw hash

/** Stands at the start of every record. */
export const magic = Buffer.from([0xb6, 0x6d, 0x70, 0x6b]);
const magicNumber = magic.readUInt32LE();

/** Records begin at multiples of this. */
export const alignment = 8;

/** What stands in front of the raw hash. */
export const headerBytes = 24;

/** What header and raw hash take at the most. */
export const maxHeadBytes = headerBytes + Math.max(...digestFunctions.map((fn) => fn.hexLength / 2));

const kinds = { blob: 1, tombstone: 2 } as const;

const functionsByValue = Array.from({ length: 256 }, (_, value) =>
  digestFunctions.find((fn) => (fn.value as number) === value),
);

/** The digest function with this number in the protocol. */
export function functionOf(value: number | undefined): DigestFunction | undefined {
  return functionsByValue[value ?? 0];
}

/** How many bytes a blob takes in a segment, all in all. */
export function packedBytes(fn: DigestFunction, sizeBytes: number): number {
  return aligned(headerBytes + fn.hexLength / 2 + sizeBytes);
}

/** The next multiple of {@link alignment}. */
export function aligned(offset: number): number {
  return Math.ceil(offset / alignment) * alignment;
}

/** What a header is made of. */
export interface RecordHeader {
  readonly fn: DigestFunction;
  /** Lower-case hex. */
  readonly hash: string;
  readonly sizeBytes: number;
  /** The blob that a tombstone is about; a record without is that of a blob. */
  readonly target?: PackPlace | undefined;
}

/** Where a record is to stand. */
export interface RecordPosition {
  readonly salt: number;
  readonly offset: number;
}

/** Writes header and raw hash into `bytes` at `start`. Returns how many bytes they take. */
export function encodeHeader(header: RecordHeader, position: RecordPosition, bytes: Buffer, start: number): number {
  const { fn, hash, sizeBytes, target } = header;
  const hashLength = fn.hexLength / 2;
  const end = start + headerBytes + hashLength;
  bytes.writeUInt32LE(magicNumber, start);
  bytes[start + 8] = target ? kinds.tombstone : kinds.blob;
  bytes[start + 9] = fn.value;
  bytes[start + 10] = hashLength;
  bytes[start + 11] = 0;
  bytes.writeUInt32LE(sizeBytes, start + 12);
  bytes.writeUInt32LE(target?.segment ?? 0, start + 16);
  bytes.writeUInt32LE(target?.offset ?? 0, start + 20);
  bytes.write(hash, start + headerBytes, hashLength, 'hex');
  bytes.writeUInt32LE(crc32(bytes, start + 8, end, seedOf(position)), start + 4);
  return end - start;
}

/**
 * The salt keeps records apart that were made for another segment, and the offset those that were made for another place
 * of this one: when a search for the next whole record meets them inside of a blob, they do not count.
 */
function seedOf({ salt, offset }: RecordPosition): number {
  return (salt ^ offset) >>> 0;
}

/** A header that has been read. The object is used again. */
export interface DecodedHeader {
  isTombstone: boolean;
  fn: DigestFunction;
  sizeBytes: number;
  targetSegment: number;
  targetOffset: number;
  /** Of header and hash. */
  headLength: number;
}

/** A header to be filled in. */
export function blankHeader(): DecodedHeader {
  return { isTombstone: false, fn: SHA256, sizeBytes: 0, targetSegment: 0, targetOffset: 0, headLength: 0 };
}

/**
 * Reads the header at `start` of `bytes` into `into`. Returns false if there is none that proves itself, and also if
 * `bytes` ends before header and hash do.
 */
export function decodeHeader(bytes: Buffer, start: number, position: RecordPosition, into: DecodedHeader): boolean {
  if (start + headerBytes > bytes.length || bytes.readUInt32LE(start) !== magicNumber) return false;
  const fn = functionOf(bytes[start + 9]);
  const hashLength = bytes[start + 10] ?? 0;
  const end = start + headerBytes + hashLength;
  if (fn?.hexLength !== hashLength * 2 || end > bytes.length) return false;
  if (crc32(bytes, start + 8, end, seedOf(position)) !== bytes.readUInt32LE(start + 4)) return false;
  into.isTombstone = bytes[start + 8] === kinds.tombstone;
  into.fn = fn;
  into.sizeBytes = bytes.readUInt32LE(start + 12);
  into.targetSegment = bytes.readUInt32LE(start + 16);
  into.targetOffset = bytes.readUInt32LE(start + 20);
  into.headLength = end - start;
  return true;
}
