import type { PackPlace } from '../packs/pack-place.js';

/** Slots of a slab. It is allocated in one piece, and never moved. */
const slabSlots = 4096;
const slabShift = 12;

/** Words of a slot behind its hash. */
export const fields = {
  sizeLow: 0,
  sizeHigh: 1,
  /** Segment and offset of a packed blob; segment 0 is a file of its own. */
  segment: 2,
  offset: 3,
  /** The use that was its last, as a number of 64 bits. 0 = the slot is free. */
  useLow: 4,
  useHigh: 5,
  /** Not to be evicted before, in seconds since the epoch. */
  promisedUntil: 6,
  readers: 7,
} as const;

/** One of {@link fields}. */
export type Field = (typeof fields)[keyof typeof fields];

const fieldCount = 8;
const wordRange = 2 ** 32;

/**
 * What is known of the blobs of one digest function, a slot of a few words each: the raw hash, then {@link fields}. That of
 * a SHA-256 takes 64 bytes, a line of the processor's cache. Words are signed, as JavaScript likes its integers best.
 */
export class BlobSlots {
  readonly #hashWords: number;
  readonly #slotWords: number;
  readonly #slabs: Int32Array[] = [];
  #end = 0;
  /** First of the chain of free slots, which are linked by their first word; 0 = none, else its number + 1. */
  #firstFree = 0;

  constructor(hashWords: number) {
    this.#hashWords = hashWords;
    this.#slotWords = hashWords + fieldCount;
  }

  /** Slots are numbered from 0 up to this; some may be free. */
  get end(): number {
    return this.#end;
  }

  /** Bytes of memory that the slots take, the free ones among them. */
  get memoryBytes(): number {
    return this.#slabs.length * slabSlots * this.#slotWords * 4;
  }

  /** Gives a blob a slot. All fields but those of the size are 0. */
  take(hash: Int32Array, sizeBytes: number): number {
    const slot = this.#firstFree > 0 ? this.#reuse() : this.#extend();
    const slab = this.#slabOf(slot);
    const base = this.#baseOf(slot);
    for (let index = 0; index < this.#hashWords; index += 1) slab[base + index] = hash[index] ?? 0;
    slab.fill(0, base + this.#hashWords, base + this.#slotWords);
    this.set(slot, fields.sizeLow, sizeBytes % wordRange);
    this.set(slot, fields.sizeHigh, Math.floor(sizeBytes / wordRange));
    return slot;
  }

  /** Makes a slot free for another blob. */
  free(slot: number): void {
    this.setUse(slot, 0);
    this.#slabOf(slot)[this.#baseOf(slot)] = this.#firstFree;
    this.#firstFree = slot + 1;
  }

  get(slot: number, field: Field): number {
    return this.#slabOf(slot)[this.#baseOf(slot) + this.#hashWords + field] ?? 0;
  }

  /** Of a number of more than 32 bits, the lowest are kept. */
  set(slot: number, field: Field, value: number): void {
    this.#slabOf(slot)[this.#baseOf(slot) + this.#hashWords + field] = value;
  }

  /** A word of the hash, big-endian. */
  hashWord(slot: number, index: number): number {
    return this.#slabOf(slot)[this.#baseOf(slot) + index] ?? 0;
  }

  /** Whether the slot is that of the blob with this hash and size. */
  holds(slot: number, hash: Int32Array, sizeBytes: number): boolean {
    const slab = this.#slabOf(slot);
    const base = this.#baseOf(slot);
    for (let index = 0; index < this.#hashWords; index += 1) if (slab[base + index] !== hash[index]) return false;
    return this.sizeBytesOf(slot) === sizeBytes;
  }

  sizeBytesOf(slot: number): number {
    return this.get(slot, fields.sizeHigh) * wordRange + (this.get(slot, fields.sizeLow) >>> 0);
  }

  /** The number of the blob's last use; 0 of a free slot. */
  useOf(slot: number): number {
    return this.get(slot, fields.useHigh) * wordRange + (this.get(slot, fields.useLow) >>> 0);
  }

  /** Until when the blob was promised to stay, in seconds since the epoch; up to 2106. */
  promisedUntilOf(slot: number): number {
    return this.get(slot, fields.promisedUntil) >>> 0;
  }

  setUse(slot: number, use: number): void {
    this.set(slot, fields.useLow, use % wordRange);
    this.set(slot, fields.useHigh, Math.floor(use / wordRange));
  }

  placeOf(slot: number): PackPlace {
    return { segment: this.get(slot, fields.segment) >>> 0, offset: this.get(slot, fields.offset) >>> 0 };
  }

  setPlace(slot: number, { segment, offset }: PackPlace): void {
    this.set(slot, fields.segment, segment);
    this.set(slot, fields.offset, offset);
  }

  /** The hash as lower-case hex. */
  hashOf(slot: number): string {
    const base = this.#baseOf(slot);
    const words = this.#slabOf(slot).subarray(base, base + this.#hashWords);
    return Array.from(words, (word) => (word >>> 0).toString(16).padStart(8, '0')).join('');
  }

  #reuse(): number {
    const slot = this.#firstFree - 1;
    this.#firstFree = this.hashWord(slot, 0);
    return slot;
  }

  #extend(): number {
    if (this.#end >> slabShift === this.#slabs.length) this.#slabs.push(new Int32Array(slabSlots * this.#slotWords));
    this.#end += 1;
    return this.#end - 1;
  }

  #slabOf(slot: number): Int32Array {
    return this.#slabs[slot >> slabShift] ?? nothing;
  }

  #baseOf(slot: number): number {
    return (slot & (slabSlots - 1)) * this.#slotWords;
  }
}

const nothing = new Int32Array(0);
