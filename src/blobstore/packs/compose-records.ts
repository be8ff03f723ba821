import type { DigestFunction } from '../../digest/digest-function.js';
import type { PackPlace } from './pack-place.js';
import { alignment, encodeHeader, headerBytes, packedBytes } from './pack-record.js';
import type { PackSegment } from './pack-segment.js';

/** A record that is to be written. */
export interface NewRecord {
  readonly fn: DigestFunction;
  readonly hash: string;
  readonly sizeBytes: number;
  /** The bytes of the blob; a tombstone has none. */
  readonly data: Uint8Array | undefined;
  /** The blob that a tombstone is about. */
  readonly target: PackPlace | undefined;
}

/** Data up to this size is copied beside its header: a buffer of its own costs more than the copy. */
const copiedBytes = 2048;

/** Of memory that is used again, so much is kept. */
const maxKeptBytes = 4 * 1024 * 1024;

/** How many bytes a record takes in a segment. */
export function recordBytes({ fn, data }: NewRecord): number {
  return packedBytes(fn, data?.length ?? 0);
}

/** Records as they stand in the file. */
export interface ComposedRecords {
  /** To be written one behind the other. */
  readonly buffers: Uint8Array[];
  readonly sizeBytes: number;
  /** The offset of the data of each record. */
  readonly offsets: number[];
}

/** Memory that is used again: new memory of some hundred kilobytes costs more than what is written into it. */
export class ComposeMemory {
  #block = Buffer.alloc(0);

  /** At least `sizeBytes`, whose content is anything; the same as the last time, unless that was much. */
  take(sizeBytes: number): Buffer {
    if (sizeBytes > maxKeptBytes) return Buffer.allocUnsafe(sizeBytes);
    if (this.#block.length < sizeBytes) {
      this.#block = Buffer.allocUnsafeSlow(Math.min(maxKeptBytes, 2 ** Math.ceil(Math.log2(sizeBytes))));
    }
    return this.#block;
  }
}

/** Lays records out behind the last one of a segment, in `memory`. Larger data is not copied. */
export function composeRecords(
  records: readonly NewRecord[],
  { salt, fileBytes }: PackSegment,
  memory: ComposeMemory,
): ComposedRecords {
  let roomBytes = 0;
  for (const record of records) roomBytes += blockBytes(record);
  const block = memory.take(roomBytes);
  const buffers: Uint8Array[] = [];
  const offsets: number[] = [];
  let used = 0;
  let cut = 0;
  let offset = fileBytes;
  for (const record of records) {
    const { data } = record;
    const headLength = encodeHeader(record, { salt, offset }, block, used);
    const length = recordBytes(record);
    used += headLength;
    offsets.push(offset + headLength);
    if (data && data.length <= copiedBytes) {
      block.set(data, used);
      used += data.length;
    } else if (data) {
      buffers.push(block.subarray(cut, used), data);
      cut = used;
    }
    const padding = length - headLength - (data?.length ?? 0);
    block.fill(0, used, used + padding);
    used += padding;
    offset += length;
  }
  if (cut < used) buffers.push(block.subarray(cut, used));
  return { buffers, offsets, sizeBytes: offset - fileBytes };
}

/** What a record takes in the block at the most: all but data that is written from where it is. */
function blockBytes({ fn, data }: NewRecord): number {
  const copied = data && data.length <= copiedBytes ? data.length : 0;
  return headerBytes + fn.hexLength / 2 + copied + alignment;
}
