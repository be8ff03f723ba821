import type { Duration } from './scenario.js';

/** Numbers that look random and follow from a seed: the same each time. */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** Evenly from [0, 1). This is mulberry32. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** How long a Job takes. */
  durationMs({ distribution, meanMs, sigma }: Duration): number {
    switch (distribution) {
      case 'constant':
        return meanMs;
      case 'exponential':
        return -meanMs * Math.log(1 - this.next());
      case 'lognormal':
        // Shifted so that the mean is what was asked for.
        return meanMs * Math.exp(sigma * this.#normal() - (sigma * sigma) / 2);
    }
  }

  /** Box and Muller's. */
  #normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next());
  }
}
