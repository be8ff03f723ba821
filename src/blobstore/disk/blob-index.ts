import { type Clock, systemClock } from '../../common/clock.js';
import type { Digest } from '../../digest/digest.js';
import { type DigestFunction, digestFunctions } from '../../digest/digest-function.js';
import type { ListedRecord, PackPlace } from '../packs/pack-place.js';
import { BlobKey } from './blob-key.js';
import { type BlobSlots, fields } from './blob-slots.js';
import { BlobTable } from './blob-table.js';

/** The place of a blob that is a file of its own: segments are numbered from 1. */
export const ownFile: PackPlace = { segment: 0, offset: 0 };

/** How long a blob stays after findMissing has reported it as present (D4). */
export const promiseSeconds = 30 * 60;

/** The last use of blobs that a listing has named, until it is known better. */
export const unknownUse = 1;

/** What makes a blob stay: a reader, a promise that lasts (D4), or a use after this one. */
export interface Owing {
  /** Seconds since the epoch. */
  readonly now: number;
  /** A blob whose last use has a lower number may go. */
  readonly cut: number;
}

/**
 * Which blobs a store holds, where, when each was used last, and until when it was promised to stay. It is made of typed
 * arrays: some 80 bytes for a SHA-256, and nothing for the garbage collector to walk.
 */
export class BlobIndex {
  /** In the order of `digestFunctions`. */
  readonly tables: readonly BlobTable[] = digestFunctions.map((fn) => new BlobTable(fn));
  readonly #tableOf: ReadonlyMap<DigestFunction, BlobTable> = new Map(this.tables.map((table) => [table.fn, table]));
  readonly #key = new BlobKey();
  #sizeBytes = 0;
  #fileBytes = 0;
  readonly #clock: Clock;
  /** Counts uses, in two halves: the blob with the lowest number was not used for the longest time. */
  #useLow: number = unknownUse;
  #useHigh = 0;

  constructor(clock: Clock = systemClock) {
    this.#clock = clock;
  }

  get count(): number {
    return this.tables.reduce((sum, { count }) => sum + count, 0);
  }

  /** How many bytes all its blobs have. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** How many bytes those have that are files of their own. */
  get fileBytes(): number {
    return this.#fileBytes;
  }

  /** How many bytes of memory the index takes. */
  get memoryBytes(): number {
    return this.tables.reduce((sum, { memoryBytes }) => sum + memoryBytes, 0);
  }

  /** The number of the last use. */
  get lastUse(): number {
    return this.#useHigh * 2 ** 32 + (this.#useLow >>> 0);
  }

  /** Notes a blob as just used. Returns whether it is present. */
  touch(digest: Digest): boolean {
    return this.#touch(this.table(digest.function), this.#find(digest));
  }

  /** Notes a blob as just used, and as one to keep for the next 30 minutes. Returns whether it is present. */
  promise(digest: Digest): boolean {
    return this.#promise(this.table(digest.function), this.#find(digest));
  }

  /** As {@link promise}, of the blob whose hash stands in `text` from `start` on: see `BlobPresence.touch`. */
  promiseText(fn: DigestFunction, text: Uint8Array, start: number, sizeBytes: number): boolean {
    if (!this.#key.readText(fn, text, start)) return false;
    const table = this.table(fn);
    return this.#promise(table, table.find(this.#key.words, sizeBytes));
  }

  /** Where a blob is. */
  placeOf(digest: Digest): PackPlace | undefined {
    const slot = this.#find(digest);
    return slot < 0 ? undefined : this.table(digest.function).slots.placeOf(slot);
  }

  /** Notes a blob as just used, and keeps it from eviction until the returned function is called, once. */
  pin(digest: Digest): (() => void) | undefined {
    const table = this.table(digest.function);
    const { slots } = table;
    const slot = this.#find(digest);
    if (!this.#touch(table, slot)) return undefined;
    slots.set(slot, fields.readers, slots.get(slot, fields.readers) + 1);
    return () => {
      const left = slots.get(slot, fields.readers) - 1;
      slots.set(slot, fields.readers, left);
      if (left === 0 && slots.useOf(slot) === 0) slots.free(slot);
    };
  }

  /** Notes a blob as just used, and as present at `place` unless it is already. Returns whether it was not. */
  add(digest: Digest, place: PackPlace): boolean {
    if (this.touch(digest)) return false;
    const table = this.table(digest.function);
    this.#key.readHash(digest.hash);
    this.#insert(table, digest.sizeBytes, place);
    return true;
  }

  /** Forgets a blob. Returns where it was, if it was present. */
  remove(digest: Digest): PackPlace | undefined {
    const slot = this.#find(digest);
    if (slot < 0) return undefined;
    const table = this.table(digest.function);
    const place = table.slots.placeOf(slot);
    this.removeAt(table, slot);
    return place;
  }

  /** Forgets the blob of a slot. Its slot is given to no other while somebody reads it. */
  removeAt(table: BlobTable, slot: number): void {
    const { slots } = table;
    this.#sizeBytes -= slots.sizeBytesOf(slot);
    if (slots.get(slot, fields.segment) === 0) this.#fileBytes -= slots.sizeBytesOf(slot);
    table.remove(slot);
    slots.setUse(slot, 0);
    if (slots.get(slot, fields.readers) === 0) slots.free(slot);
  }

  /** Enters a blob that a listing of segments names. Returns the place where it had been named before. */
  addListed(record: ListedRecord): PackPlace | undefined {
    const table = this.table(record.fn);
    const slot = this.#findListed(table, record);
    if (slot < 0) {
      table.slots.setUse(this.#insert(table, record.sizeBytes, record), unknownUse);
      return undefined;
    }
    const place = table.slots.placeOf(slot);
    table.slots.setPlace(slot, record);
    return place;
  }

  /** Forgets a blob that a listing of segments takes back. */
  removeListed(tombstone: ListedRecord): void {
    const table = this.table(tombstone.fn);
    const slot = this.#findListed(table, tombstone);
    if (slot >= 0 && !isBehind(table.slots.placeOf(slot), tombstone)) this.removeAt(table, slot);
  }

  /** Enters a file that a listing names, unless the blob is known already. */
  addListedFile(digest: Digest): void {
    if (this.#find(digest) >= 0) return;
    const table = this.table(digest.function);
    table.slots.setUse(this.#insert(table, digest.sizeBytes, ownFile), unknownUse);
  }

  /** The slot of the blob that a listed record holds, or -1 if it is not this record that counts. */
  slotOf(record: ListedRecord): number {
    const table = this.table(record.fn);
    const slot = this.#findListed(table, record);
    return slot >= 0 && isSame(table.slots.placeOf(slot), record) ? slot : -1;
  }

  /** Lets the uses that are still to come have numbers above `use`. */
  skipUsesTo(use: number): void {
    if (use <= this.lastUse) return;
    this.#useHigh = Math.floor(use / 2 ** 32);
    this.#useLow = (use % 2 ** 32) | 0;
  }

  table(fn: DigestFunction): BlobTable {
    const table = this.#tableOf.get(fn);
    if (!table) throw new TypeError(`There is no table of blobs for ${fn.name}`);
    return table;
  }

  #find(digest: Digest): number {
    this.#key.readHash(digest.hash);
    return this.table(digest.function).find(this.#key.words, digest.sizeBytes);
  }

  #findListed(table: BlobTable, { fn, bytes, hashStart, sizeBytes }: ListedRecord): number {
    this.#key.readRaw(fn, bytes, hashStart);
    return table.find(this.#key.words, sizeBytes);
  }

  /** Inserts the blob whose hash is in the key. */
  #insert(table: BlobTable, sizeBytes: number, place: PackPlace): number {
    const slot = table.insert(this.#key.words, sizeBytes);
    table.slots.setPlace(slot, place);
    this.use(table.slots, slot);
    this.#sizeBytes += sizeBytes;
    if (place.segment === 0) this.#fileBytes += sizeBytes;
    return slot;
  }

  #touch({ slots }: BlobTable, slot: number): boolean {
    if (slot >= 0) this.use(slots, slot);
    return slot >= 0;
  }

  #promise({ slots }: BlobTable, slot: number): boolean {
    if (slot < 0) return false;
    this.use(slots, slot);
    slots.set(slot, fields.promisedUntil, Math.ceil(this.#clock.now() / 1000) + promiseSeconds);
    return true;
  }

  /** Notes the blob of a slot as just used. */
  use(slots: BlobSlots, slot: number): void {
    this.#useLow = (this.#useLow + 1) | 0;
    if (this.#useLow === 0) this.#useHigh += 1;
    slots.set(slot, fields.useLow, this.#useLow);
    slots.set(slot, fields.useHigh, this.#useHigh);
  }
}

/** Whether a blob must stay. */
export function isOwed(slots: BlobSlots, slot: number, { now, cut }: Owing): boolean {
  return isKept(slots, slot, now) || slots.useOf(slot) >= cut;
}

/** Whether somebody reads a blob, or was promised that it stays (D4). */
export function isKept(slots: BlobSlots, slot: number, now: number): boolean {
  return slots.get(slot, fields.readers) > 0 || slots.promisedUntilOf(slot) > now;
}

function isSame(one: PackPlace, other: PackPlace): boolean {
  return one.segment === other.segment && one.offset === other.offset;
}

function isBehind(one: PackPlace, other: PackPlace): boolean {
  return one.segment > other.segment || (one.segment === other.segment && one.offset > other.offset);
}
