import type { Clock } from '../common/clock.js';

/** Lets one loop sleep until something happens. A wake that comes while nobody sleeps ends the next sleep at once. */
export class Waker {
  #waking = new AbortController();

  wake(): void {
    this.#waking.abort();
  }

  /** Resolves when woken, when `ms` have passed, or when `signal` aborts. */
  async sleep(clock: Clock, ms: number, signal?: AbortSignal): Promise<void> {
    const wake = (): void => this.#waking.abort();
    signal?.addEventListener('abort', wake, { once: true });
    if (signal?.aborted) wake();
    await clock.sleep(ms, this.#waking.signal);
    signal?.removeEventListener('abort', wake);
    if (this.#waking.signal.aborted) this.#waking = new AbortController();
  }
}
