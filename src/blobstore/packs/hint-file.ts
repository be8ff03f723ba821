import { createHash } from 'node:crypto';
import { open, readFile, rename } from 'node:fs/promises';
import { setImmediate as turn } from 'node:timers/promises';
import { errnoOf } from '../../common/status-error.js';
import { type ListedRecord, type OnRecord, blankRecord } from './pack-place.js';
import { functionOf } from './pack-record.js';
import type { PackSegment } from './pack-segment.js';

// A hint: header, entries, SHA-256 of all that. Numbers are little-endian.
//
//    0  "bgdhint1"
//    8  number of the segment
//   12  salt of the segment
//   16  how many bytes of the segment's file, from its start, the entries stand for
//   20  how many entries there are
//   24  entries: kind, number of the digest function, length of the hash, 0; size of the blob; segment and offset as listed; hash

const headBytes = 24;
const entryHeadBytes = 16;
const checksumBytes = 32;
const signature = Buffer.from('bgdhint1');

/** So many entries are delivered before others get their turn. */
const sliceLength = 1024;

/** So many bytes are hashed before others get their turn. */
const hashedBytes = 256 * 1024;

/** What a hint says, checked as a whole. Nothing in it refers to another file than the one it was read from. */
export interface Hint {
  /** How many bytes of the segment's file, from its start, it stands for. */
  readonly coveredBytes: number;
  readonly bytes: Buffer;
}

/** Reads the hint of a segment. `undefined` if it is missing, damaged, or was made for another segment or file. */
export async function readHint(segment: PackSegment): Promise<Hint | undefined> {
  const bytes = await readIfThere(segment.hintPath);
  if (!bytes || bytes.length < headBytes + checksumBytes || !bytes.subarray(0, 8).equals(signature)) return undefined;
  const entriesEnd = bytes.length - checksumBytes;
  const checksum = await checksumOf(bytes.subarray(0, entriesEnd));
  if (!checksum.equals(bytes.subarray(entriesEnd))) return undefined;
  if (bytes.readUInt32LE(8) !== segment.number || bytes.readUInt32LE(12) !== segment.salt) return undefined;
  return { coveredBytes: bytes.readUInt32LE(16), bytes };
}

/** The disk may not give it back: then it is as good as missing. */
async function readIfThere(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (reason) {
    if (['ENOENT', 'EIO'].includes(errnoOf(reason) ?? '')) return undefined;
    throw reason;
  }
}

async function checksumOf(bytes: Buffer): Promise<Buffer> {
  const hash = createHash('sha256');
  for (let start = 0; start < bytes.length; start += hashedBytes) {
    if (start > 0) await turn();
    hash.update(bytes.subarray(start, start + hashedBytes));
  }
  return hash.digest();
}

/** Delivers the entries of a hint, some at a time. */
export async function deliverHint({ bytes }: Hint, onRecord: OnRecord): Promise<void> {
  const record = blankRecord();
  record.bytes = bytes;
  const count = bytes.readUInt32LE(20);
  for (let start = headBytes, index = 1; index <= count; index += 1) {
    const fn = functionOf(bytes[start + 1]);
    const hashLength = bytes[start + 2] ?? 0;
    if (fn) {
      record.isTombstone = bytes[start] === 1;
      record.fn = fn;
      record.hashStart = start + entryHeadBytes;
      record.sizeBytes = bytes.readUInt32LE(start + 4);
      record.segment = bytes.readUInt32LE(start + 8);
      record.offset = bytes.readUInt32LE(start + 12);
      onRecord(record);
    }
    start += entryHeadBytes + hashLength;
    if (index % sliceLength === 0) await turn();
  }
}

/** Collects the records of a segment for its hint. */
export class HintBuilder {
  #bytes = Buffer.allocUnsafe(64 * 1024);
  #length = headBytes;
  #count = 0;

  /** Adds the next record. */
  add({ isTombstone, fn, bytes, hashStart, sizeBytes, segment, offset }: ListedRecord): void {
    const hashLength = fn.hexLength / 2;
    const start = this.#reserve(entryHeadBytes + hashLength);
    this.#bytes[start] = isTombstone ? 1 : 0;
    this.#bytes[start + 1] = fn.value;
    this.#bytes[start + 2] = hashLength;
    this.#bytes[start + 3] = 0;
    this.#bytes.writeUInt32LE(sizeBytes, start + 4);
    this.#bytes.writeUInt32LE(segment, start + 8);
    this.#bytes.writeUInt32LE(offset, start + 12);
    bytes.copy(this.#bytes, start + entryHeadBytes, hashStart, hashStart + hashLength);
    this.#count += 1;
  }

  /** Writes the hint; nobody ever sees a part of it. A power cut may take it away, or damage it: then it does not count. */
  async write({ number, salt, hintPath }: PackSegment, coveredBytes: number): Promise<void> {
    signature.copy(this.#bytes);
    this.#bytes.writeUInt32LE(number, 8);
    this.#bytes.writeUInt32LE(salt, 12);
    this.#bytes.writeUInt32LE(coveredBytes, 16);
    this.#bytes.writeUInt32LE(this.#count, 20);
    const content = this.#bytes.subarray(0, this.#length);
    const temporary = `${hintPath}.tmp`;
    {
      await using file = await open(temporary, 'w');
      await file.writeFile(content);
      await file.writeFile(await checksumOf(content));
      await file.datasync();
    }
    await rename(temporary, hintPath);
  }

  #reserve(length: number): number {
    const start = this.#length;
    this.#length += length;
    if (this.#length > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(this.#bytes.length * 2);
      this.#bytes.copy(grown, 0, 0, start);
      this.#bytes = grown;
    }
    return start;
  }
}
