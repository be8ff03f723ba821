import { setTimeout as delay } from 'node:timers/promises';

/** A computation has the event loop for about this long, then others have it for longer. */
const turnMs = 0.25;
const pauseMs = 1;

/** Lets others have the event loop while a long computation goes on. */
export class Breather {
  #since = performance.now();

  /** To be called often. Resolves at once most of the time, and after a pause when the computation had its turn. */
  async breathe(): Promise<void> {
    if (performance.now() - this.#since < turnMs) return;
    await delay(pauseMs);
    this.#since = performance.now();
  }
}
