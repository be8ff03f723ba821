import { closeSync, openSync, readSync } from 'node:fs';

/**
 * Measures the longest time that this thread computed before it came back to the event loop. It counts processor time, of
 * which neighbours take none, as they do of the time on the clock.
 */
export class BurstMeter implements Disposable {
  readonly #file = openSync(`/proc/self/task/${process.pid}/schedstat`, 'r');
  readonly #buffer = Buffer.alloc(64);
  #last = this.#cpuMs();
  #isStopped = false;
  longestMs = 0;

  constructor() {
    const turn = (): void => {
      if (this.#isStopped) return;
      const now = this.#cpuMs();
      this.longestMs = Math.max(this.longestMs, now - this.#last);
      this.#last = now;
      setImmediate(turn);
    };
    setImmediate(turn);
  }

  [Symbol.dispose](): void {
    this.#isStopped = true;
    closeSync(this.#file);
  }

  #cpuMs(): number {
    const length = readSync(this.#file, this.#buffer, 0, this.#buffer.length, 0);
    return Number.parseInt(this.#buffer.toString('latin1', 0, length), 10) / 1e6;
  }
}
