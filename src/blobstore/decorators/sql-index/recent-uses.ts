import { LRUCache } from 'lru-cache';
import { type Clock, systemClock } from '../../../common/clock.js';
import { GroupTask } from '../../../common/group-task.js';
import type { Digest } from '../../../digest/digest.js';

/** What {@link RecentUses} is told. */
export interface RecentUsesOptions {
  /** Writes uses down, at least once for each digest that was noted. May reject; then they are lost. */
  readonly flush: (digests: readonly Digest[]) => Promise<void>;
  readonly onFailure: (reason: unknown) => void;
  readonly clock?: Clock;
}

/** Uses are gathered for so long. */
const delayMs = 1_000;

/** A blob whose use was noted is not noted again for so long. */
const restMs = 60_000;

/** So many uses are gathered at the most; while the database is away, others are lost. */
const maxGathered = 100_000;

/** Gathers which blobs were used, and writes that down in batches, so that nobody who reads waits for it. */
export class RecentUses implements AsyncDisposable {
  readonly #options: RecentUsesOptions;
  readonly #clock: Clock;
  readonly #noted = new LRUCache<string, true>({ max: maxGathered, ttl: restMs });
  readonly #stop = new AbortController();
  readonly #writing = new GroupTask(() => this.#write());
  #gathered = new Map<string, Digest>();
  #flushing: Promise<void> | undefined;

  constructor(options: RecentUsesOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** Notes that a blob is used now. */
  note(digest: Digest): void {
    const { key } = digest;
    if (this.#noted.has(key) || this.#gathered.size >= maxGathered) return;
    this.#noted.set(key, true);
    this.#gathered.set(key, digest);
    this.#flushing ??= this.#flushSoon();
  }

  /** Writes down what was gathered until now. Never rejects. */
  async flush(): Promise<void> {
    await this.#writing.run();
  }

  /** Writes down what is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#flushing;
    await this.flush();
  }

  async #flushSoon(): Promise<void> {
    await this.#clock.sleep(delayMs, this.#stop.signal);
    this.#flushing = undefined;
    await this.flush();
  }

  async #write(): Promise<void> {
    const digests = [...this.#gathered.values()];
    this.#gathered = new Map();
    if (digests.length === 0) return;
    try {
      await this.#options.flush(digests);
    } catch (reason) {
      this.#options.onFailure(reason);
    }
  }
}
