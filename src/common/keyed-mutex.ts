import { onAbort } from './on-abort.js';
import { StatusError } from './status-error.js';

/** Runs at most one task of each key at a time, first come, first served; tasks of different keys side by side. */
export class KeyedMutex {
  /** For each key of which a task runs, those that wait for it. Each is woken once: thousands may want the same key. */
  readonly #waiting = new Map<string, Set<() => void>>();

  /**
   * Runs `task` when no other of `key` runs; it starts before this returns when none does. Rejects when `signal` aborts
   * while it waits; a task that has started is left to end by itself.
   */
  async exclusive<T>(key: string, task: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const waiting = this.#waiting.get(key);
    if (waiting) await turnIn(waiting, signal);
    else this.#waiting.set(key, new Set());
    try {
      return await task();
    } finally {
      this.#passOn(key);
    }
  }

  /** The key stays busy for the next one. */
  #passOn(key: string): void {
    const waiting = this.#waiting.get(key);
    const [wake] = waiting ?? [];
    if (!waiting || !wake) {
      this.#waiting.delete(key);
      return;
    }
    waiting.delete(wake);
    wake();
  }
}

function turnIn(waiting: Set<() => void>, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const wake = (): void => {
      listener?.[Symbol.dispose]();
      resolve();
    };
    waiting.add(wake);
    const listener =
      signal &&
      onAbort(signal, () => {
        if (waiting.delete(wake)) reject(StatusError.from(signal.reason));
      });
  });
}
