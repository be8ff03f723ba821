import { randomInt } from 'node:crypto';
import type { DigestFunction } from '../../digest/digest-function.js';
import { BlobSlots } from './blob-slots.js';

/** Parts of the table: each grows by itself, so that none takes long even among a hundred million blobs. */
const partCount = 256;
const firstPartLength = 32;

/** A part doubles when more than this of its buckets are taken: until then a look-up ends after a few of them. */
const maxLoad = 0.7;

/**
 * A hash table over the slots of the blobs of one digest function. It is open: a bucket is two words, the number of a slot
 * + 1 and the second word of its hash, and what finds its bucket taken stands in the next one. The first byte of a hash
 * says the part of the table, its second word the bucket; hashes are as good as random numbers. So a part grows without a
 * look at the slots, which are far away for the processor.
 *
 * Who has machines enough can make blobs whose hashes agree in some bits, so that all would want the same bucket, and each look-up
 * go over all of them. So the bucket depends on a number that is drawn by lot as well.
 */
export class BlobTable {
  readonly fn: DigestFunction;
  readonly slots: BlobSlots;
  readonly #parts = Array.from({ length: partCount }, () => nothing);
  readonly #counts = new Uint32Array(partCount);
  #count = 0;

  constructor(fn: DigestFunction) {
    this.fn = fn;
    this.slots = new BlobSlots(fn.hexLength / 8);
  }

  get count(): number {
    return this.#count;
  }

  /** Bytes of memory that the blobs take. */
  get memoryBytes(): number {
    return this.slots.memoryBytes + this.#parts.reduce((sum, part) => sum + part.byteLength, 0);
  }

  /** The slot of a blob, or -1. */
  find(hash: Int32Array, sizeBytes: number): number {
    const part = this.#parts[(hash[0] ?? 0) >>> 24] ?? nothing;
    const mask = part.length - 1;
    const second = hash[1] ?? 0;
    if (mask < 0) return -1;
    for (let at = bucketOf(second, mask); ; at = (at + 2) & mask) {
      const slot = (part[at] ?? 0) - 1;
      if (slot < 0 || (part[at + 1] === second && this.slots.holds(slot, hash, sizeBytes))) return slot;
    }
  }

  /** The slot of a blob whose hash begins with these two words, or -1. */
  findByStart(first: number, second: number): number {
    const part = this.#parts[first >>> 24] ?? nothing;
    const mask = part.length - 1;
    if (mask < 0) return -1;
    for (let at = bucketOf(second, mask); ; at = (at + 2) & mask) {
      const slot = (part[at] ?? 0) - 1;
      if (slot < 0 || (part[at + 1] === second && this.slots.hashWord(slot, 0) === first)) return slot;
    }
  }

  /** Gives a blob that is not there a slot. All its fields but those of the size are 0. */
  insert(hash: Int32Array, sizeBytes: number): number {
    const slot = this.slots.take(hash, sizeBytes);
    const number = (hash[0] ?? 0) >>> 24;
    const length = this.#counts[number] ?? 0;
    this.#counts[number] = length + 1;
    this.#count += 1;
    enter(this.#roomyPart(number, length + 1), slot, hash[1] ?? 0);
    return slot;
  }

  /** Takes a blob out of the table. Its slot stays as it is, until it is freed. */
  remove(slot: number): void {
    const number = this.slots.hashWord(slot, 0) >>> 24;
    const part = this.#parts[number] ?? nothing;
    const mask = part.length - 1;
    let at = bucketOf(this.slots.hashWord(slot, 1), mask);
    while (part[at] !== slot + 1) at = (at + 2) & mask;
    closeGap(part, at);
    this.#counts[number] = (this.#counts[number] ?? 1) - 1;
    this.#count -= 1;
  }

  /** A part with room for `length` slots. */
  #roomyPart(number: number, length: number): Int32Array {
    const part = this.#parts[number] ?? nothing;
    if (length * 2 <= part.length * maxLoad) return part;
    const larger = new Int32Array(Math.max(firstPartLength, part.length * 2));
    for (let at = 0; at < part.length; at += 2) {
      const slot = (part[at] ?? 0) - 1;
      if (slot >= 0) enter(larger, slot, part[at + 1] ?? 0);
    }
    this.#parts[number] = larger;
    return larger;
  }
}

const nothing = new Int32Array(0);

/** Odd, so that no two words have the same product. */
const factor = randomInt(2 ** 31) * 2 + 1;

/** Where the bucket begins that a hash with this second word is looked for in first: by the high bits of the product. */
function bucketOf(second: number, mask: number): number {
  return (Math.imul(second, factor) >>> Math.clz32(mask)) & ~1;
}

/** Puts a slot in the first free bucket that its hash, by its second word, may have. */
function enter(part: Int32Array, slot: number, second: number): void {
  const mask = part.length - 1;
  let at = bucketOf(second, mask);
  while (part[at] !== 0) at = (at + 2) & mask;
  part[at] = slot + 1;
  part[at + 1] = second;
}

/** Moves up what stands behind a gap because of what stood in it, so that a search never ends too early. */
function closeGap(part: Int32Array, gap: number): void {
  const mask = part.length - 1;
  let hole = gap;
  for (let at = (gap + 2) & mask; part[at] !== 0; at = (at + 2) & mask) {
    const home = bucketOf(part[at + 1] ?? 0, mask);
    if (((at - home) & mask) < ((at - hole) & mask)) continue;
    part[hole] = part[at] ?? 0;
    part[hole + 1] = part[at + 1] ?? 0;
    hole = at;
  }
  part[hole] = 0;
}
