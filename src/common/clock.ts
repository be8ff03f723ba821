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
  // Not by node:timers/promises: there each sleep that is cut short costs an error with its stack.
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) {
        resolve();
        return;
      }
      const end = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', end);
        resolve();
      };
      const timer = setTimeout(end, ms);
      signal?.addEventListener('abort', end, { once: true });
    }),
};
