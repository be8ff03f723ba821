import type { Clock } from '../../common/clock.js';
import { Code } from '../../common/code.js';
import { StatusError } from '../../common/status-error.js';
import { FreeSpace } from './free-space.js';

/** Eviction starts above the high mark and ends at the low one, so that room is made before it is needed. */
const highMark = 0.95;
const lowMark = 0.9;

/** After a round that could not make enough room, the next one waits: each looks at every blob. */
const fruitlessPauseMs = 1_000;

/** What {@link DiskBudget} is told. */
export interface DiskBudgetOptions {
  readonly path: string;
  readonly maxBytes: number;
  readonly clock: Clock;
  /** How many bytes the blobs take. */
  readonly usedBytes: () => number;
  /** Evicts blobs until `excess` is no more, as far as that can be. Never rejects. */
  readonly evict: (excess: () => number) => Promise<void>;
}

/** Hands out room for uploads, and makes it by evicting what was not used for the longest time. */
export class DiskBudget {
  readonly #options: DiskBudgetOptions;
  readonly maxBytes: number;
  readonly #freeSpace: FreeSpace;
  #reservedBytes = 0;
  /** What uploads are waiting for. */
  #wantedBytes = 0;
  #round: Promise<void> | undefined;
  #fruitlessUntilMs = 0;

  constructor(options: DiskBudgetOptions) {
    this.#options = options;
    this.maxBytes = options.maxBytes;
    this.#freeSpace = new FreeSpace(options.path, options.clock);
  }

  /**
   * Sets room aside for bytes before they are written; the returned function gives it back, once. Waits for a round of
   * eviction only if there is no room at all. Throws RESOURCE_EXHAUSTED if there can be none.
   */
  async reserve(sizeBytes: number): Promise<() => void> {
    this.#refuseTooLarge(sizeBytes);
    await this.#freeSpace.claim(sizeBytes);
    if (!this.#take(sizeBytes)) await this.#waitForRoom(sizeBytes);
    this.trim();
    return () => {
      this.#reservedBytes -= sizeBytes;
    };
  }

  /** Throws RESOURCE_EXHAUSTED for a blob that the store or the disk cannot take as it is. Sets nothing aside. */
  async check(sizeBytes: number): Promise<void> {
    this.#refuseTooLarge(sizeBytes);
    await this.#freeSpace.check(sizeBytes);
  }

  /** Starts a round of eviction in the background if the high mark is passed. */
  trim(): void {
    if (this.#taken > this.maxBytes * highMark) void this.#makeRoom();
  }

  /** Resolves when no round of eviction is under way. */
  async idle(): Promise<void> {
    await this.#round;
  }

  get #taken(): number {
    return this.#options.usedBytes() + this.#reservedBytes;
  }

  #refuseTooLarge(sizeBytes: number): void {
    if (sizeBytes <= this.maxBytes) return;
    throw new StatusError(
      Code.ResourceExhausted,
      `A blob of ${sizeBytes} bytes is larger than the whole store, which may have ${this.maxBytes} bytes`,
    );
  }

  #take(sizeBytes: number): boolean {
    const fits = this.#taken + sizeBytes <= this.maxBytes;
    if (fits) this.#reservedBytes += sizeBytes;
    return fits;
  }

  async #waitForRoom(sizeBytes: number): Promise<void> {
    this.#wantedBytes += sizeBytes;
    try {
      // Two rounds: one that was about to end when this upload came may have missed it.
      for (let rounds = 0; rounds < 2; rounds += 1) {
        await this.#makeRoom();
        if (this.#take(sizeBytes)) return;
      }
    } finally {
      this.#wantedBytes -= sizeBytes;
    }
    throw new StatusError(
      Code.ResourceExhausted,
      `The store is full: of ${this.maxBytes} bytes ${this.#taken} are being read or written or were promised to clients a short while ago; try again later or make the store larger`,
    );
  }

  /** One round at a time; those that come meanwhile share it. */
  #makeRoom(): Promise<void> {
    this.#round ??= this.#evictRound().finally(() => {
      this.#round = undefined;
    });
    return this.#round;
  }

  async #evictRound(): Promise<void> {
    const { clock, evict } = this.#options;
    const now = clock.now();
    if (now < this.#fruitlessUntilMs) return;
    const excess = (): number => this.#taken - Math.min(this.maxBytes * lowMark, this.maxBytes - this.#wantedBytes);
    await evict(excess);
    if (excess() > 0) this.#fruitlessUntilMs = now + fruitlessPauseMs;
  }
}
