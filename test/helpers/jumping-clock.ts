import type { Clock } from '../../src/common/clock.js';

/** A clock on which time passes only in sleeps, which are over at once. They are noted in {@link slept}. */
export class JumpingClock implements Clock {
  readonly slept: number[] = [];
  #now = 1_700_000_000_000;

  now(): number {
    return this.#now;
  }

  async sleep(ms: number): Promise<void> {
    this.slept.push(ms);
    this.#now += ms;
  }
}
