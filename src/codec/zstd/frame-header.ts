import { ZstdError } from './zstd-error.js';

/** A decoder keeps so much of its output in memory; encoders up to level 19 want no more, and RFC 8878 asks for no more. */
export const maxWindowBytes = 8 * 1024 * 1024;

/** What the head of a frame says of it. */
export interface FrameHeader {
  /** How much of its output a decoder must keep. */
  readonly windowBytes: number;
  /** How many bytes the frame holds, if it says so. */
  readonly contentBytes: number | undefined;
  readonly hasChecksum: boolean;
}

/** A frame that decoders pass over. */
export interface SkippableHeader {
  readonly skippedBytes: number;
}

const magic = 0xfd2fb528;
const magicBytes = 4;
const skippableHeaderBytes = 8;
const dictionaryIdBytes = [0, 1, 2, 4];

/** How many bytes the header that begins with `start` has, or at least has while more must be known to tell. */
export function headerLengthOf(start: Uint8Array): number {
  if (start.length < magicBytes) return magicBytes;
  if (isSkippable(start)) return skippableHeaderBytes;
  const descriptor = start[magicBytes];
  if (descriptor === undefined) return magicBytes + 1;
  const windowBytes = isSingleSegment(descriptor) ? 0 : 1;
  return magicBytes + 1 + windowBytes + dictionaryLengthOf(descriptor) + contentSizeLengthOf(descriptor);
}

/** Reads a whole header (RFC 8878, 3.1). Throws {@link ZstdError} for what is none, or wants more than it may. */
export function parseHeader(header: Uint8Array): FrameHeader | SkippableHeader {
  const view = new DataView(header.buffer, header.byteOffset, header.length);
  if (isSkippable(header)) return { skippedBytes: view.getUint32(magicBytes, true) };
  const descriptor = view.getUint8(magicBytes);
  if ((descriptor & 0x08) !== 0) throw new ZstdError('a reserved bit of a frame header is set');
  const dictionaryAt = magicBytes + 1 + (isSingleSegment(descriptor) ? 0 : 1);
  const contentSizeAt = dictionaryAt + dictionaryLengthOf(descriptor);
  if (header.subarray(dictionaryAt, contentSizeAt).some((byte) => byte !== 0)) {
    throw new ZstdError('a frame needs a dictionary');
  }
  const contentBytes = contentSizeOf(view, contentSizeAt);
  const windowBytes = isSingleSegment(descriptor) ? (contentBytes ?? 0) : windowOf(view.getUint8(magicBytes + 1));
  if (windowBytes > maxWindowBytes) {
    throw new ZstdError(`a frame needs a window of ${windowBytes} bytes, at most ${maxWindowBytes} are allowed`);
  }
  return { windowBytes, contentBytes, hasChecksum: (descriptor & 0x04) !== 0 };
}

/** Throws {@link ZstdError} as soon as `start` cannot become a header. */
export function checkMagic(start: Uint8Array): void {
  if (start.length < magicBytes || isSkippable(start)) return;
  if (new DataView(start.buffer, start.byteOffset).getUint32(0, true) !== magic) {
    throw new ZstdError('something else stands where a frame should begin');
  }
}

function isSkippable([first = 0, second, third, fourth]: Uint8Array): boolean {
  return (first & 0xf0) === 0x50 && second === 0x2a && third === 0x4d && fourth === 0x18;
}

function isSingleSegment(descriptor: number): boolean {
  return (descriptor & 0x20) !== 0;
}

function dictionaryLengthOf(descriptor: number): number {
  return dictionaryIdBytes[descriptor & 0x03] ?? 0;
}

function contentSizeLengthOf(descriptor: number): number {
  const flag = descriptor >> 6;
  return flag === 0 ? Number(isSingleSegment(descriptor)) : 2 ** flag;
}

function contentSizeOf(view: DataView, offset: number): number | undefined {
  switch (view.byteLength - offset) {
    case 0:
      return undefined;
    case 1:
      return view.getUint8(offset);
    case 2:
      return view.getUint16(offset, true) + 256;
    case 4:
      return view.getUint32(offset, true);
    default:
      // Beyond 2^53 it is no longer exact, and far beyond every limit.
      return Number(view.getBigUint64(offset, true));
  }
}

function windowOf(descriptor: number): number {
  const base = 2 ** (10 + (descriptor >> 3));
  return base + (base / 8) * (descriptor & 0x07);
}
