import { orAborted } from './or-aborted.js';
import { StatusError } from './status-error.js';

interface Running {
  readonly done: Promise<void>;
  readonly over: AbortController;
  waiting: number;
}

/** Tasks that many want at a time: of each key at most one runs, for all who come meanwhile. */
export class SharedTasks {
  readonly #running = new Map<string, Running>();

  /**
   * Waits for the task of `key` that is under way, or begins `task` if none is. Settles as it does, or rejects as soon as
   * `signal` aborts: that ends nothing for others, but when nobody waits any more, the signal of the task aborts.
   */
  async join(key: string, task: (signal: AbortSignal) => Promise<void>, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) throw StatusError.from(signal.reason);
    const running = this.#running.get(key) ?? this.#begin(key, task);
    running.waiting += 1;
    try {
      await orAborted(running.done, signal);
    } finally {
      running.waiting -= 1;
      if (running.waiting === 0) {
        // Who comes now begins anew, also when the task takes a while to stop.
        this.#forget(key, running);
        running.over.abort(signal?.reason);
      }
    }
  }

  #begin(key: string, task: (signal: AbortSignal) => Promise<void>): Running {
    const over = new AbortController();
    const running: Running = { done: task(over.signal).finally(() => this.#forget(key, running)), over, waiting: 0 };
    this.#running.set(key, running);
    return running;
  }

  #forget(key: string, running: Running): void {
    if (this.#running.get(key) === running) this.#running.delete(key);
  }
}
