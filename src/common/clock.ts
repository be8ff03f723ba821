import { setTimeout as delay } from 'node:timers/promises';

/** Time as a dependency, so that loops and deadlines can be tested without waiting. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;

  /** Resolves after `ms`, or early when `signal` aborts; it never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: async (ms, signal) => {
    try {
      await delay(ms, undefined, signal ? { signal } : {});
    } catch {
      // Only an abort rejects here, and that is an ordinary end of a sleep.
    }
  },
};
