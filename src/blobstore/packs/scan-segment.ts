import type { FileHandle } from 'node:fs/promises';
import { errnoOf } from '../../common/status-error.js';
import { type OnRecord, blankRecord } from './pack-place.js';
import {
  type DecodedHeader,
  aligned,
  alignment,
  blankHeader,
  decodeHeader,
  headerBytes,
  magic,
  maxHeadBytes,
} from './pack-record.js';
import type { SegmentName } from './pack-segment.js';

/** What {@link scanSegment} reads. */
export interface ScanOptions {
  readonly file: FileHandle;
  readonly segment: SegmentName;
  /** Where to begin; a record starts there. */
  readonly start: number;
  readonly end: number;
  /** Whether a record counts only if its bytes hash to its digest. */
  readonly verifies: boolean;
}

/** What a scan has found. */
export interface ScanResult {
  /** Where the last record ends that counts. */
  readonly validEnd: number;
  /** How many bytes in front of {@link validEnd} belong to no record that counts. */
  readonly lostBytes: number;
  /** Whether the disk would not give back a part. */
  readonly isUnreadable: boolean;
}

/** Read in one go. To hash so much takes a fraction of a millisecond, so the event loop is not kept for long. */
const windowBytes = 256 * 1024;

/**
 * Delivers the records of a segment's file. Behind a damaged part the next record is looked for that proves itself by its
 * checksum (and its hash, if wanted); what stands in between is lost. A part that cannot be read counts as damaged.
 */
export async function scanSegment(options: ScanOptions, onRecord: OnRecord): Promise<ScanResult> {
  const scan = new Scan(options, onRecord);
  for (let position = options.start; position < scan.end;) {
    await scan.load(position);
    position = scan.consume(position);
  }
  return scan.result();
}

/** Goes through a file by windows. */
class Scan {
  readonly #options: ScanOptions;
  readonly #onRecord: OnRecord;
  readonly #record = blankRecord();
  readonly #header: DecodedHeader = blankHeader();
  #buffer = Buffer.allocUnsafe(windowBytes);
  #window = this.#buffer.subarray(0, 0);
  #windowStart = 0;
  #wantedBytes = windowBytes;
  #validEnd: number;
  #validBytes = 0;
  #isUnreadable = false;
  end: number;

  constructor(options: ScanOptions, onRecord: OnRecord) {
    this.#options = options;
    this.#onRecord = onRecord;
    this.#validEnd = options.start;
    this.end = options.end;
  }

  /** Makes `position` the start of the window. A file that has become shorter ends the scan earlier. */
  async load(position: number): Promise<void> {
    const length = Math.min(Math.max(windowBytes, this.#wantedBytes), this.end - position);
    if (this.#buffer.length < length) this.#buffer = Buffer.allocUnsafe(length);
    const bytesRead = await this.#readWindow(position, length);
    if (bytesRead < length) this.end = position + bytesRead;
    this.#window = this.#buffer.subarray(0, bytesRead);
    this.#windowStart = position;
  }

  async #readWindow(position: number, length: number): Promise<number> {
    let done = 0;
    try {
      while (done < length) {
        const { bytesRead } = await this.#options.file.read(this.#buffer, done, length - done, position + done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return done;
    } catch (reason) {
      if (errnoOf(reason) !== 'EIO') throw reason;
      this.#isUnreadable = true;
      this.#buffer.fill(0, done, length);
      return length;
    }
  }

  /** Delivers what is wholly in the window. Returns where to go on. */
  consume(start: number): number {
    const { number, salt } = this.#options.segment;
    const windowEnd = this.#windowStart + this.#window.length;
    let position = start;
    while (position < this.end) {
      const at = position - this.#windowStart;
      if (position + maxHeadBytes > windowEnd && windowEnd < this.end) return position;
      const isRecord = decodeHeader(this.#window, at, { salt, offset: position }, this.#header);
      const dataStart = position + this.#header.headLength;
      const dataEnd = this.#header.isTombstone ? dataStart : dataStart + this.#header.sizeBytes;
      if (!isRecord || dataEnd > this.end) {
        position = this.#nextMagic(position + alignment);
      } else if (dataEnd > windowEnd) {
        this.#wantedBytes = dataEnd - position;
        return position;
      } else {
        if (this.#isProven(at)) this.#deliver(number, position, dataEnd);
        position = aligned(dataEnd);
      }
    }
    return position;
  }

  result(): ScanResult {
    const lostBytes = this.#validEnd - this.#options.start - this.#validBytes;
    return { validEnd: this.#validEnd, lostBytes, isUnreadable: this.#isUnreadable };
  }

  /** The next place in the window where a record may begin, or where the next window should. */
  #nextMagic(from: number): number {
    let at = this.#window.indexOf(magic, from - this.#windowStart);
    while (at >= 0 && (this.#windowStart + at) % alignment !== 0) at = this.#window.indexOf(magic, at + 1);
    if (at >= 0) return this.#windowStart + at;
    return Math.max(from, aligned(this.#windowStart + this.#window.length - magic.length + 1));
  }

  #isProven(at: number): boolean {
    const { isTombstone, fn, headLength, sizeBytes } = this.#header;
    if (isTombstone || !this.#options.verifies) return true;
    const data = this.#window.subarray(at + headLength, at + headLength + sizeBytes);
    return fn.hash(data) === this.#window.toString('hex', at + headerBytes, at + headLength);
  }

  #deliver(segment: number, position: number, dataEnd: number): void {
    const header = this.#header;
    const record = this.#record;
    record.isTombstone = header.isTombstone;
    record.fn = header.fn;
    record.bytes = this.#window;
    record.hashStart = position - this.#windowStart + headerBytes;
    record.sizeBytes = header.sizeBytes;
    record.segment = header.isTombstone ? header.targetSegment : segment;
    record.offset = header.isTombstone ? header.targetOffset : position + header.headLength;
    this.#validEnd = Math.min(aligned(dataEnd), this.end);
    this.#validBytes += this.#validEnd - position;
    this.#onRecord(record);
  }
}
