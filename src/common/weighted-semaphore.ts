import { Code } from './code.js';
import { StatusError } from './status-error.js';

interface Waiter {
  readonly weight: number;
  readonly admit: () => void;
}

/** Shares a capacity, such as bytes of memory, among tasks that each need some of it. First come, first served. */
export class WeightedSemaphore {
  readonly #capacity: number;
  readonly #maxWaiting: number;
  readonly #waiters: Waiter[] = [];
  #used = 0;
  #waiting = 0;

  /** No more than `maxWaiting` waits; what comes then is refused. */
  constructor(capacity: number, maxWaiting = Infinity) {
    this.#capacity = capacity;
    this.#maxWaiting = maxWaiting;
  }

  /**
   * Waits until `weight` is free, takes it, and returns what gives it back (once, however often it is called). A weight
   * above the whole capacity counts as all of it, so that it is admitted alone. Rejects when `signal` aborts, and
   * with RESOURCE_EXHAUSTED when too much is waiting already.
   */
  async acquire(weight: number, signal?: AbortSignal): Promise<() => void> {
    const taken = Math.min(weight, this.#capacity);
    if (this.#waiters.length > 0 || this.#used + taken > this.#capacity) await this.#wait(taken, signal);
    else this.#used += taken;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#used -= taken;
      this.#admit();
    };
  }

  #wait(weight: number, signal?: AbortSignal): Promise<void> {
    if (this.#waiting + weight > this.#maxWaiting) {
      const text = 'The server has more to do than it can keep in memory; try again later';
      return Promise.reject(new StatusError(Code.ResourceExhausted, text));
    }
    this.#waiting += weight;
    return new Promise((resolve, reject) => {
      const giveUp = (): void => {
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1);
        this.#waiting -= weight;
        reject(StatusError.from(signal?.reason));
        this.#admit();
      };
      const waiter: Waiter = {
        weight,
        admit: () => {
          signal?.removeEventListener('abort', giveUp);
          resolve();
        },
      };
      this.#waiters.push(waiter);
      signal?.addEventListener('abort', giveUp, { once: true });
      if (signal?.aborted) giveUp();
    });
  }

  /** The weight is taken here, before the waiter runs again, so that nobody slips in between. */
  #admit(): void {
    for (let next = this.#waiters[0]; next && this.#used + next.weight <= this.#capacity; next = this.#waiters[0]) {
      this.#waiters.shift();
      this.#waiting -= next.weight;
      this.#used += next.weight;
      next.admit();
    }
  }
}
