import { forEachConcurrently } from '../../common/async-iteration.js';
import { Breather } from '../../common/breather.js';
import type { Clock } from '../../common/clock.js';
import type { KeyedMutex } from '../../common/keyed-mutex.js';
import type { Logger } from '../../common/logger.js';
import type { PackFolder } from '../packs/pack-folder.js';
import { packedBytes } from '../packs/pack-record.js';
import type { BlobFiles } from './blob-files.js';
import { type BlobIndex, type Owing, isKept, isOwed } from './blob-index.js';
import { type BlobSlot, digestAt } from './blob-slot.js';
import { fields } from './blob-slots.js';
import type { FileListing } from './file-listing.js';
import { SegmentEmptier } from './segment-emptier.js';

/** What {@link Evictor} works with; all of it belongs to the store. */
export interface EvictorDependencies {
  readonly index: BlobIndex;
  readonly files: BlobFiles;
  readonly packs: PackFolder;
  readonly listing: FileListing;
  readonly changes: KeyedMutex;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What could go, and what it would bring. */
interface Survey {
  readonly files: readonly Victim[];
  /** Bytes that must be appended anew when a segment is to go. */
  readonly owedBytes: ReadonlyMap<number, number>;
}

interface Victim extends BlobSlot {
  /** Tells whether the blob was used, or is another one, since it was chosen. */
  readonly use: number;
}

/** So many blobs are looked at to learn which uses are old. */
const sampleSize = 4096;

/** So many slots are looked at before others may have the event loop. */
const sliceLength = 512;

/** A segment goes only if at most this part of it must be appended anew; more is accepted when nothing else is left. */
const maxOwedShare = 0.5;
const lastMaxOwedShare = 0.9;

/**
 * Makes room by evicting what was not used for the longest time, but nothing that is kept (D4).
 *
 * A file goes when its last use lies before the cut. A packed blob goes with its segment, and that goes when most of
 * what is in it lies before the cut; what does not is appended anew. Where old and new blobs are mixed, there is no such segment
 * at first: then the cut is moved, and moved again, so that for a byte that is won at most about one must be copied.
 */
export class Evictor {
  readonly #deps: EvictorDependencies;
  readonly #emptier: SegmentEmptier;
  #evictedBlobs = 0;
  #evictedBytes = 0;

  constructor(dependencies: EvictorDependencies) {
    this.#deps = dependencies;
    this.#emptier = new SegmentEmptier({ ...dependencies, onEvicted: (sizeBytes) => this.#count(sizeBytes) });
  }

  /** How many blobs have been evicted. */
  get evictedBlobs(): number {
    return this.#evictedBlobs;
  }

  /** How many bytes they had. */
  get evictedBytes(): number {
    return this.#evictedBytes;
  }

  /** Evicts until `wanted`, in bytes, is no more, or until all is gone that may go. Never rejects. */
  async evict(wanted: () => number): Promise<void> {
    const { listing, clock } = this.#deps;
    const excess = (): number => (listing.isStopped ? 0 : wanted());
    // Before, the last uses are not known.
    await listing.settled();
    for (let share = 1; excess() > 0; share *= 2) {
      const now = clock.now() / 1000;
      const cut = await this.#cutFor(excess() * share, now);
      const owing = { now, cut };
      const survey = await this.#survey(owing);
      await this.#emptySegments(survey, owing, excess);
      await this.#evictFiles(survey.files, excess);
      if (cut === Infinity) return;
    }
  }

  /** The use before which blobs with about so many bytes were used last; Infinity if there are not so many. */
  async #cutFor(sizeBytes: number, now: number): Promise<number> {
    const step = Math.max(1, Math.floor(this.#deps.index.count / sampleSize));
    const sample: { readonly use: number; readonly sizeBytes: number }[] = [];
    const breather = new Breather();
    for (const table of this.#deps.index.tables) {
      const { slots, fn } = table;
      for (let slot = 0; slot < slots.end; slot += step) {
        const use = slots.useOf(slot);
        if (slot % (sliceLength * step) === 0) await breather.breathe();
        if (use === 0 || isKept(slots, slot, now)) continue;
        const isPacked = slots.get(slot, fields.segment) > 0;
        const size = slots.sizeBytesOf(slot);
        sample.push({ use, sizeBytes: step * (isPacked ? packedBytes(fn, size) : size) });
      }
    }
    sample.sort((one, other) => one.use - other.use);
    let sum = 0;
    for (const each of sample) {
      if (sum >= sizeBytes) return each.use;
      sum += each.sizeBytes;
    }
    return Infinity;
  }

  async #survey(owing: Owing): Promise<Survey> {
    const files: Victim[] = [];
    const owedBytes = new Map<number, number>();
    const breather = new Breather();
    for (const table of this.#deps.index.tables) {
      const { slots, fn } = table;
      for (let slot = 0; slot < slots.end; slot += 1) {
        if (slot % sliceLength === 0) await breather.breathe();
        const use = slots.useOf(slot);
        if (use === 0) continue;
        const segment = slots.get(slot, fields.segment) >>> 0;
        const bytes = packedBytes(fn, slots.sizeBytesOf(slot));
        if (isOwed(slots, slot, owing)) owedBytes.set(segment, (owedBytes.get(segment) ?? 0) + bytes);
        else if (segment === 0) files.push({ table, slot, use });
      }
    }
    if (files.length <= sampleSize) files.sort((one, other) => one.use - other.use);
    return { files, owedBytes };
  }

  async #emptySegments({ owedBytes }: Survey, owing: Owing, excess: () => number): Promise<void> {
    const maxShare = owing.cut === Infinity ? lastMaxOwedShare : maxOwedShare;
    const segments = this.#deps.packs
      .segments()
      .filter(({ isSealed }) => isSealed) // In the newest one there may be records that the index does not know yet.
      .map(({ number, fileBytes }) => ({ number, share: (owedBytes.get(number) ?? 0) / Math.max(1, fileBytes) }))
      .filter(({ share }) => share <= maxShare)
      .sort((one, other) => one.share - other.share);
    for (const { number } of segments) {
      if (excess() <= 0) return;
      await this.#emptier.empty(number, owing);
    }
  }

  async #evictFiles(victims: readonly Victim[], excess: () => number): Promise<void> {
    const stillWanted = function* (): Iterable<Victim> {
      for (const victim of victims) {
        if (excess() <= 0) return;
        yield victim;
      }
    };
    await forEachConcurrently(stillWanted(), 4, (victim) => this.#evictFile(victim));
  }

  async #evictFile(victim: Victim): Promise<void> {
    const { table, slot, use } = victim;
    const { index, files, listing, changes, clock, logger } = this.#deps;
    const isSame = (): boolean => table.slots.useOf(slot) === use;
    if (!isSame()) return;
    const { key, sizeBytes } = digestAt(victim);
    await changes.exclusive(key, async () => {
      if (!isSame() || isKept(table.slots, slot, clock.now() / 1000)) return;
      listing.noteRemoval(key);
      index.removeAt(table, slot);
      this.#count(sizeBytes);
      try {
        await files.remove(key);
      } catch (reason) {
        logger.warn({ err: reason, key }, 'An evicted blob could not be removed from the disk');
      }
    });
  }

  #count(sizeBytes: number): void {
    this.#evictedBlobs += 1;
    this.#evictedBytes += sizeBytes;
  }
}
