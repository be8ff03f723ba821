import { type FrameHeader, checkMagic, headerLengthOf, parseHeader } from './frame-header.js';
import { ZstdError } from './zstd-error.js';

/** A piece of one frame. */
export interface FrameSlice {
  readonly bytes: Uint8Array;
  /** The window of the frame it belongs to. */
  readonly windowBytes: number;
}

/** What a block decodes to, at most (RFC 8878, 3.1.1.2). */
const maxBlockBytes = 128 * 1024;

/** So many blocks end in one slice at most, so that it decodes to about 1 MiB. */
const blocksPerSlice = 8;

const blockHeaderBytes = 3;
const checksumBytes = 4;
const blockTypes = { rle: 1, reserved: 3 };

const nothing = new Uint8Array();

/**
 * Follows the structure of zstd without decoding it, from the heads of frames and blocks. It says in time what decoders
 * find out too late or not at all: a frame whose window is too large, a slice that would expand a thousandfold, input
 * that stops in the middle of a frame or goes on with something else.
 */
export class FrameWalker {
  readonly #maxBytes: number;
  /** What has come of the head of the next frame. */
  #head = nothing;
  #frame: FrameHeader | undefined;
  #blockHead = 0;
  #blockHeadBytes = 0;
  #isLastBlock = false;
  /** What is still to come of a block and its checksum, or of a frame to be skipped. */
  #bytesLeft = 0;
  #declaredBytes: number | undefined = 0;

  /** Frames that announce more than `maxBytes` together are refused. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** What all frames so far hold together, if each of them says so. */
  get declaredBytes(): number | undefined {
    return this.#declaredBytes;
  }

  /** Takes the next bytes and yields what is to be decoded of them, frame by frame. Throws {@link ZstdError}. */
  *feed(chunk: Uint8Array): Generator<FrameSlice, void, undefined> {
    for (let rest = chunk; rest.length > 0;) {
      const { slice, taken } = this.#frame ? this.#takeBlocks(rest, this.#frame) : this.#takeHead(rest);
      rest = rest.subarray(taken);
      if (slice) yield slice;
    }
  }

  /** Throws {@link ZstdError} unless the last frame is whole. */
  end(): void {
    if (this.#frame ?? (this.#head.length > 0 || this.#bytesLeft > 0)) {
      throw new ZstdError('they end in the middle of a frame');
    }
  }

  /** Between frames: heads, and what is to be skipped. A head is handed on once it is whole and found acceptable. */
  #takeHead(bytes: Uint8Array): { taken: number; slice?: FrameSlice } {
    if (this.#bytesLeft > 0) {
      const skipped = Math.min(this.#bytesLeft, bytes.length);
      this.#bytesLeft -= skipped;
      return { taken: skipped };
    }
    const taken = Math.min(headerLengthOf(this.#head) - this.#head.length, bytes.length);
    const head = Buffer.concat([this.#head, bytes.subarray(0, taken)]);
    checkMagic(head);
    this.#head = head;
    if (head.length < headerLengthOf(head)) return { taken };
    this.#head = nothing;
    const header = parseHeader(head);
    if ('skippedBytes' in header) {
      this.#bytesLeft = header.skippedBytes;
      return { taken };
    }
    this.#frame = header;
    this.#declare(header.contentBytes);
    return { taken, slice: { bytes: head, windowBytes: header.windowBytes } };
  }

  #declare(contentBytes: number | undefined): void {
    if (contentBytes === undefined || this.#declaredBytes === undefined) {
      this.#declaredBytes = undefined;
      return;
    }
    this.#declaredBytes += contentBytes;
    if (this.#declaredBytes > this.#maxBytes) {
      throw new ZstdError(`they announce ${this.#declaredBytes} bytes, at most ${this.#maxBytes} are wanted`);
    }
  }

  /** Within a frame: blocks up to its end, as many as may go into a slice. */
  #takeBlocks(bytes: Uint8Array, frame: FrameHeader): { taken: number; slice: FrameSlice } {
    let taken = 0;
    for (let blocks = 0; this.#frame && taken < bytes.length && blocks < blocksPerSlice;) {
      if (this.#blockHeadBytes < blockHeaderBytes) {
        this.#blockHead |= (bytes[taken] ?? 0) << (8 * this.#blockHeadBytes);
        this.#blockHeadBytes += 1;
        taken += 1;
        if (this.#blockHeadBytes < blockHeaderBytes) continue;
        this.#openBlock(frame);
      } else {
        const passed = Math.min(this.#bytesLeft, bytes.length - taken);
        this.#bytesLeft -= passed;
        taken += passed;
      }
      if (this.#bytesLeft > 0) continue;
      blocks += 1;
      this.#closeBlock();
    }
    return { taken, slice: { bytes: bytes.subarray(0, taken), windowBytes: frame.windowBytes } };
  }

  #openBlock({ hasChecksum }: FrameHeader): void {
    const type = (this.#blockHead >> 1) & 0x03;
    const sizeBytes = this.#blockHead >> 3;
    if (type === blockTypes.reserved) throw new ZstdError('a block is of the reserved type');
    if (sizeBytes > maxBlockBytes) {
      throw new ZstdError(`a block has ${sizeBytes} bytes, at most ${maxBlockBytes} are allowed`);
    }
    this.#isLastBlock = (this.#blockHead & 0x01) !== 0;
    this.#bytesLeft = type === blockTypes.rle ? 1 : sizeBytes;
    if (this.#isLastBlock && hasChecksum) this.#bytesLeft += checksumBytes;
  }

  #closeBlock(): void {
    this.#blockHead = 0;
    this.#blockHeadBytes = 0;
    if (this.#isLastBlock) this.#frame = undefined;
  }
}
