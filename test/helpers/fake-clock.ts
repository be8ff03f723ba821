import type { Clock } from '../../src/common/clock.js';

/** A clock that stands still until it is told to advance. Sleeps are noted in {@link slept}. */
export class FakeClock implements Clock {
  readonly slept: number[] = [];
  #now: number;
  #sleepers: { readonly wakesAt: number; readonly wake: () => void }[] = [];

  constructor(now = 1_700_000_000_000) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  /** How many sleeps are waiting for time to pass. */
  get sleepers(): number {
    return this.#sleepers.length;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    this.slept.push(ms);
    if (signal?.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const sleeper = { wakesAt: this.#now + ms, wake: resolve };
      this.#sleepers.push(sleeper);
      signal?.addEventListener('abort', () => {
        this.#sleepers = this.#sleepers.filter((each) => each !== sleeper);
        resolve();
      });
    });
  }

  /** Lets `ms` pass and wakes whoever slept until then. */
  advance(ms: number): void {
    this.#now += ms;
    const due = this.#sleepers.filter(({ wakesAt }) => wakesAt <= this.#now);
    this.#sleepers = this.#sleepers.filter(({ wakesAt }) => wakesAt > this.#now);
    for (const { wake } of due) wake();
  }
}
