import { setImmediate as turnOfOthers } from 'node:timers/promises';

/** What takes longer was not in memory, most likely; or the machine was busy, which happens now and then. */
const slowMs = 0.25;

/** A slow read counts as much as this many quick ones. */
const slowWeight = 8;

/** So much slowness, less what was quick meanwhile, and the disk is no longer trusted. */
const maxSlowness = 64;

/** For so many reads. */
const distrust = 1_000;

/** How long reads may hold up the event loop together. */
const turnMs = 4;

/**
 * Decides whether small files are read at once, on the thread that asks. From the page cache, where files are that have just
 * been written or checked out, they come in microseconds, and the way over another thread costs ten times as much. While
 * reads turn out to wait for a disk or a network, they take that way all the same, many at a time.
 */
export class ReadPace {
  #slowness = 0;
  #distrusted = 0;
  #turnStart = performance.now();

  /** Whether the next read may be done at once; if so, {@link took} wants to know of it. */
  isQuick(): boolean {
    if (this.#distrusted === 0) return true;
    this.#distrusted -= 1;
    return false;
  }

  /** Notes how long a read has taken that was done at once, and lets others have the event loop when it is their turn. */
  async took(ms: number): Promise<void> {
    this.#slowness = Math.max(0, this.#slowness + (ms > slowMs ? slowWeight : -1));
    if (this.#slowness >= maxSlowness) {
      this.#slowness = 0;
      this.#distrusted = distrust;
    }
    if (performance.now() - this.#turnStart < turnMs) return;
    await turnOfOthers();
    this.#turnStart = performance.now();
  }
}
