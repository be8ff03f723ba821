import { Breather } from '../../common/breather.js';
import type { Clock } from '../../common/clock.js';
import type { KeyedMutex } from '../../common/keyed-mutex.js';
import type { Logger } from '../../common/logger.js';
import type { PackFolder } from '../packs/pack-folder.js';
import { type BlobIndex, type Owing, isOwed } from './blob-index.js';
import { type BlobSlot, digestAt } from './blob-slot.js';
import { fields } from './blob-slots.js';

/** Held by whoever moves packed blobs or takes one away: a copy could bring a deleted blob back. */
export const movingKey = 'moving';

/** What {@link SegmentEmptier} works with; all of it belongs to the store. */
export interface SegmentEmptierDependencies {
  readonly index: BlobIndex;
  readonly packs: PackFolder;
  readonly changes: KeyedMutex;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Told of the size of each blob that is evicted. */
  readonly onEvicted: (sizeBytes: number) => void;
}

/** So much of a segment is dealt with at a time: more would keep the event loop, or uploads that wait for the disk. */
const maxWindowBytes = 256 * 1024;
const maxWindowEntries = 128;

/** A segment that could not be emptied is left alone for so long: it would be the first to be tried each time. */
const stuckMs = 60_000;

/** Gives the space of segments back: what must stay is appended anew, all else is evicted. */
export class SegmentEmptier {
  readonly #deps: SegmentEmptierDependencies;
  /** Until when segments are left alone. */
  readonly #stuckUntilMs = new Map<number, number>();

  constructor(dependencies: SegmentEmptierDependencies) {
    this.#deps = dependencies;
  }

  /**
   * Empties a sealed segment and drops it. Returns whether that went well. Never rejects: when the disk fails in the middle, what
   * was not appended anew stays where it is.
   */
  async empty(segment: number, owing: Owing): Promise<boolean> {
    const { packs, clock, logger } = this.#deps;
    if ((this.#stuckUntilMs.get(segment) ?? 0) > clock.now()) return false;
    try {
      const entries = await this.#list(segment);
      const breather = new Breather();
      for (const window of windows(segment, entries)) {
        await this.#deps.changes.exclusive(movingKey, () => this.#settle(segment, window, owing));
        await breather.breathe();
      }
      await packs.drop(segment);
      this.#stuckUntilMs.delete(segment);
      return true;
    } catch (reason) {
      this.#stuckUntilMs.set(segment, clock.now() + stuckMs);
      logger.error({ err: reason, segment }, 'A pack segment cannot be emptied');
      return false;
    }
  }

  /** The blobs whose records count, in the order of their offsets. */
  async #list(segment: number): Promise<readonly BlobSlot[]> {
    const { index, packs } = this.#deps;
    const entries: BlobSlot[] = [];
    await packs.listSegment(segment, (record) => {
      if (record.isTombstone) return;
      const slot = index.slotOf(record);
      if (slot >= 0) entries.push({ table: index.table(record.fn), slot });
    });
    return entries;
  }

  /** Evicts what may go, and moves the others. */
  async #settle(segment: number, window: readonly BlobSlot[], owing: Owing): Promise<void> {
    const owed: BlobSlot[] = [];
    for (const entry of window) {
      const { table, slot } = entry;
      if (!isIn(segment, entry)) continue;
      if (isOwed(table.slots, slot, owing)) {
        owed.push(entry);
      } else {
        this.#deps.onEvicted(table.slots.sizeBytesOf(slot));
        this.#deps.index.removeAt(table, slot);
      }
    }
    if (owed.length > 0) await this.#move(segment, owed);
  }

  async #move(segment: number, entries: readonly BlobSlot[]): Promise<void> {
    const { packs } = this.#deps;
    const [first, last] = [entries[0], entries.at(-1)];
    if (!first || !last) return;
    const start = offsetOf(first);
    const bytes = await packs.read({ segment, offset: start }, offsetOf(last) + sizeOf(last) - start);
    if (!bytes) throw new RangeError(`Segment ${segment} ends before ${offsetOf(last) + sizeOf(last)}`);
    const blobs = entries.map((entry) => {
      const offset = offsetOf(entry) - start;
      return { digest: digestAt(entry), data: bytes.subarray(offset, offset + sizeOf(entry)) };
    });
    const places = await packs.append(blobs);
    for (const [index, { table, slot }] of entries.entries()) {
      const place = places[index];
      if (place) table.slots.setPlace(slot, place);
    }
  }
}

/** Cuts entries into what is dealt with at a time. Those whose blobs are elsewhere by now, or gone, are left out. */
function* windows(segment: number, entries: readonly BlobSlot[]): Iterable<readonly BlobSlot[]> {
  let window: BlobSlot[] = [];
  let start = 0;
  for (const entry of entries) {
    if (!isIn(segment, entry)) continue;
    const offset = offsetOf(entry);
    if (window.length >= maxWindowEntries || offset - start > maxWindowBytes) {
      yield window;
      window = [];
    }
    if (window.length === 0) start = offset;
    window.push(entry);
  }
  yield window;
}

function isIn(segment: number, { table, slot }: BlobSlot): boolean {
  return table.slots.get(slot, fields.segment) === segment;
}

function offsetOf({ table, slot }: BlobSlot): number {
  return table.slots.get(slot, fields.offset) >>> 0;
}

function sizeOf({ table, slot }: BlobSlot): number {
  return table.slots.sizeBytesOf(slot);
}
