import { randomInt } from 'node:crypto';
import { join } from 'node:path';

/** What a segment's name is made of. */
export interface SegmentName {
  readonly number: number;
  /**
   * A number drawn by lot that all checksums of the segment begin with. In the name it is not lost with the first bytes of the
   * file, and nobody who sends blobs can know it: bytes inside of a blob cannot pass for a record.
   */
  readonly salt: number;
}

/** A segment as it is known in memory. Its files are `NNNNNNNN-SSSSSSSS.pack` and `.hint`: the number, and the salt in hex. */
export class PackSegment {
  readonly number: number;
  readonly salt: number;
  /** Of the records. */
  readonly path: string;
  /** Of what its records are, for a quick start; may be missing. */
  readonly hintPath: string;
  /** How far its records go. */
  fileBytes = 0;
  isSealed = true;

  constructor(folder: string, { number, salt }: SegmentName) {
    const base = join(folder, `${String(number).padStart(8, '0')}-${salt.toString(16).padStart(8, '0')}`);
    this.number = number;
    this.salt = salt;
    this.path = `${base}.pack`;
    this.hintPath = `${base}.hint`;
  }
}

/** A salt for a new segment. */
export function drawSalt(): number {
  return randomInt(2 ** 32);
}

/** Reads the name of a segment's file; `undefined` for any other name. */
export function parseSegmentName(name: string): SegmentName | undefined {
  const [, number, salt] = /^(\d{8,10})-([0-9a-f]{8})\.pack$/.exec(name) ?? [];
  if (number === undefined || salt === undefined) return undefined;
  return { number: Number(number), salt: Number.parseInt(salt, 16) };
}
