import { createHash } from 'node:crypto';

/** How FastCDC 2020 cuts, as the protocol names it (CAS-15). */
export interface FastCdc2020Params {
  /** A power of two from 1 KiB to 1 MiB. */
  readonly avgBytes: number;
  /** @defaultValue a quarter of the average */
  readonly minBytes?: number;
  /** @defaultValue four times the average */
  readonly maxBytes?: number;
  /** @defaultValue 0 */
  readonly seed?: number;
}

/** The published masks by their number of bits. No bit above the 48th is set. */
const masks = new Map([
  [8, 0x0000001800035300],
  [9, 0x0000019000353000],
  [10, 0x0000590003530000],
  [11, 0x0000d90003530000],
  [12, 0x0000d90103530000],
  [13, 0x0000d90303530000],
  [14, 0x0000d90313530000],
  [15, 0x0000d90f03530000],
  [16, 0x0000d90303537000],
  [17, 0x0000d90703537000],
  [18, 0x0000d90707537000],
  [19, 0x0000d91707537000],
  [20, 0x0000d91747537000],
  [21, 0x0000d91767537000],
  [22, 0x0000d93767537000],
]);

/** Numbers of 48 bits in two halves of 24, so that their sums stay whole 32-bit numbers. */
const half = 2 ** 24;
const lowHalf = half - 1;

/** Normalisation level 2: so many bits more are asked for before the average, and fewer behind it. */
const normalisation = 2;

/** A mask in two halves. */
interface Mask {
  readonly high: number;
  readonly low: number;
}

/** One stretch of a chunk, and the mask that ends the chunk within it. */
interface Stretch {
  readonly start: number;
  readonly end: number;
  readonly mask: Mask;
}

/**
 * Finds where content is cut. As all masks end below the 48th bit, and carries only go up, so many bits of the
 * fingerprint are kept. The published algorithm takes bytes in pairs; a last odd byte of a stretch is not looked at.
 */
export class FastCdc2020 {
  readonly minBytes: number;
  readonly avgBytes: number;
  /** No chunk is longer. */
  readonly maxBytes: number;
  readonly #gearHigh = new Int32Array(256);
  readonly #gearLow = new Int32Array(256);
  readonly #maskBefore: Mask;
  readonly #maskBehind: Mask;

  constructor({ avgBytes, minBytes = avgBytes / 4, maxBytes = avgBytes * 4, seed = 0 }: FastCdc2020Params) {
    const bits = Math.round(Math.log2(avgBytes));
    this.minBytes = minBytes;
    this.avgBytes = avgBytes;
    this.maxBytes = maxBytes;
    this.#maskBefore = maskOf(bits + normalisation);
    this.#maskBehind = maskOf(bits - normalisation);
    for (let byte = 0; byte < 256; byte += 1) {
      const gear = createHash('md5').update(Buffer.alloc(64, byte)).digest();
      // Bytes 2 to 7 are the lower 48 bits.
      const low48 = gear.readUIntBE(2, 6);
      this.#gearHigh[byte] = Math.floor(low48 / half) ^ Math.floor(seed / half);
      this.#gearLow[byte] = (low48 % half) ^ (seed % half);
    }
  }

  /** The length of the first chunk of `content`, which holds {@link maxBytes} or all that is left. */
  cut(content: Uint8Array): number {
    if (content.length <= this.minBytes) return content.length;
    const end = Math.min(content.length, this.maxBytes);
    const center = Math.min(end, this.avgBytes);
    return (
      this.#search(content, [
        { start: even(this.minBytes), end: even(center), mask: this.#maskBefore },
        { start: even(center), end: even(end), mask: this.#maskBehind },
      ]) ?? end
    );
  }

  #search(content: Uint8Array, stretches: readonly Stretch[]): number | undefined {
    const gearHigh = this.#gearHigh;
    const gearLow = this.#gearLow;
    let high = 0;
    let low = 0;
    for (const { start, end, mask } of stretches) {
      for (let index = start; index < end; index += 1) {
        const byte = content[index] ?? 0;
        low = (low << 1) + (gearLow[byte] ?? 0);
        high = ((high << 1) + (gearHigh[byte] ?? 0) + (low >>> 24)) & lowHalf;
        low &= lowHalf;
        if ((low & mask.low) === 0 && (high & mask.high) === 0) return index;
      }
    }
    return undefined;
  }

  /** Cuts a stream. At most two chunks of the largest size are in memory. */
  async *chunks(content: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer, void, undefined> {
    let waiting = Buffer.alloc(0);
    for await (const bytes of content) {
      for (let start = 0; start < bytes.length; start += this.maxBytes) {
        waiting = Buffer.concat([waiting, bytes.subarray(start, start + this.maxBytes)]);
        while (waiting.length >= this.maxBytes) {
          const length = this.cut(waiting);
          yield waiting.subarray(0, length);
          waiting = waiting.subarray(length);
        }
      }
    }
    while (waiting.length > 0) {
      const length = this.cut(waiting);
      yield waiting.subarray(0, length);
      waiting = waiting.subarray(length);
    }
  }
}

function even(length: number): number {
  return length - (length % 2);
}

function maskOf(bits: number): Mask {
  const mask = masks.get(bits);
  if (mask === undefined)
    throw new RangeError(`FastCDC has no mask of ${bits} bits: an average of 1 KiB to 1 MiB is wanted`);
  return { high: Math.floor(mask / half), low: mask % half };
}
