import { orAborted } from './or-aborted.js';

/** Runs at most one task of each key at a time; tasks of different keys side by side. */
export class KeyedMutex {
  readonly #running = new Map<string, Promise<unknown>>();

  /** Whether a task of `key` is running. */
  isBusy(key: string): boolean {
    return this.#running.has(key);
  }

  /**
   * Runs `task` when no other of `key` runs; it starts before this returns when none does. Rejects when `signal` aborts
   * while it waits; a task that has started is left to end by itself.
   */
  async exclusive<T>(key: string, task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    for (let other = this.#running.get(key); other; other = this.#running.get(key)) {
      await orAborted(
        other.catch(() => undefined),
        signal,
      );
    }
    const run = task();
    this.#running.set(key, run);
    try {
      return await run;
    } finally {
      this.#running.delete(key);
    }
  }
}
