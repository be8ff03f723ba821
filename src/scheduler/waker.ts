import type { Clock } from '../common/clock.js';

/** Why a sleep is over. One for all: an abort that is told no reason makes an error with its stack. */
const woken = new Error('woken');

/** Lets one loop sleep until something happens. A wake that comes while nobody sleeps ends the next sleep at once. */
export class Waker {
  #sleeping: AbortController | undefined;
  #isWoken = false;

  wake(): void {
    this.#isWoken = true;
    this.#sleeping?.abort(woken);
  }

  /** Resolves when woken, when `ms` have passed, or when `signal` aborts. */
  async sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
    if (!this.#isWoken && !signal?.aborted) await this.#sleepUntil(clock, ms, signal);
    this.#isWoken = false;
  }

  async #sleepUntil(clock: Clock, ms: number, signal: AbortSignal | undefined): Promise<void> {
    const sleeping = new AbortController();
    const end = (): void => sleeping.abort(woken);
    this.#sleeping = sleeping;
    signal?.addEventListener('abort', end, { once: true });
    await clock.sleep(ms, sleeping.signal);
    signal?.removeEventListener('abort', end);
    this.#sleeping = undefined;
  }
}
