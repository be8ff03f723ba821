import { type Clock, systemClock } from './clock.js';
import { Code } from './code.js';
import { StatusError } from './status-error.js';

/** What a {@link TrailingCopy} is told. */
export interface TrailingCopyOptions {
  /** Told when the copy could not be taken. It is not told of a copy that was given up for the sake of the original. */
  readonly onFailure?: (reason: unknown) => void;
  /** How far the copy may lag behind before the original waits for it. @defaultValue 1 MiB */
  readonly maxLagBytes?: number;
  /** How long the original waits at a time; then the copy is given up. @defaultValue 2 s */
  readonly patienceMs?: number;
  readonly clock?: Clock;
}

type State = 'open' | 'complete' | 'broken';

/**
 * Gives a second consumer a copy of what a first one reads. The first goes on whatever becomes of the copy: a taker that
 * fails, has enough or is too slow is left behind. Memory is bounded by the lag.
 */
export class TrailingCopy {
  readonly #options: Required<Omit<TrailingCopyOptions, 'onFailure'>>;
  readonly #taken: Promise<void>;
  #chunks: Uint8Array[] = [];
  #lagBytes = 0;
  #state: State = 'open';
  #isWhole = false;
  #isTaken = false;
  #wakeTaker: () => void = () => undefined;
  #wakeGiver: () => void = () => undefined;

  /** Calls `take` at once with the copy. */
  constructor(take: (content: AsyncIterable<Uint8Array>) => Promise<void>, options: TrailingCopyOptions = {}) {
    const { onFailure, maxLagBytes = 1024 * 1024, patienceMs = 2_000, clock = systemClock } = options;
    this.#options = { maxLagBytes, patienceMs, clock };
    this.#taken = take(this.#content())
      .catch((reason: unknown) => {
        if (this.#state !== 'broken') onFailure?.(reason);
      })
      .finally(() => {
        this.#isTaken = true;
        this.#chunks = [];
        this.#wakeGiver();
      });
  }

  /** Passes `source` on and copies it on the way. */
  async *passing(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const chunk of source) {
      await this.#offer(chunk);
      yield chunk;
    }
    this.#isWhole = true;
  }

  /**
   * Lets the copy end well if `isGood` and all of the source has passed; else it breaks off, so that nothing is kept of it.
   * Waits for the taker, but not for long.
   */
  async end(isGood: boolean): Promise<void> {
    if (this.#state === 'open') this.#state = isGood && this.#isWhole ? 'complete' : 'broken';
    this.#wakeTaker();
    await this.#waitFor(this.#taken);
  }

  async #offer(chunk: Uint8Array): Promise<void> {
    if (this.#isLeft()) return;
    this.#chunks.push(chunk);
    this.#lagBytes += chunk.length;
    this.#wakeTaker();
    if (this.#lagBytes <= this.#options.maxLagBytes) return;
    await this.#waitFor(new Promise<void>((resolve) => (this.#wakeGiver = resolve)));
    if (this.#isLeft() || this.#lagBytes <= this.#options.maxLagBytes) return;
    this.#chunks = [];
    this.#state = 'broken';
    this.#wakeTaker();
  }

  #isLeft(): boolean {
    return this.#isTaken || this.#state === 'broken';
  }

  async *#content(): AsyncIterable<Uint8Array> {
    for (;;) {
      for (let chunk = this.#chunks.shift(); chunk; chunk = this.#chunks.shift()) {
        yield chunk;
        this.#lagBytes -= chunk.length;
        this.#wakeGiver();
      }
      if (this.#state === 'complete') return;
      if (this.#state === 'broken') throw new StatusError(Code.Aborted, 'The content that was copied has broken off');
      await new Promise<void>((resolve) => (this.#wakeTaker = resolve));
    }
  }

  async #waitFor(event: Promise<void>): Promise<void> {
    const { clock, patienceMs } = this.#options;
    const over = new AbortController();
    await Promise.race([event, clock.sleep(patienceMs, over.signal)]);
    over.abort();
  }
}
