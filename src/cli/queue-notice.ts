import type { StageName } from '../client/operation-summary.js';
import { systemClock, type Clock } from '../common/clock.js';

/** So long a queue is nothing to tell of. */
const patienceMs = 3_000;

/** Tells once, and only if it takes long, that an operation waits in the queue. */
export class QueueNotice implements Disposable {
  readonly #say: () => void;
  readonly #clock: Clock;
  #waiting: AbortController | undefined;
  #isSaid = false;

  constructor(say: () => void, clock: Clock = systemClock) {
    this.#say = say;
    this.#clock = clock;
  }

  /** Takes note of a state of the operation. */
  see(stage: StageName): void {
    if (stage !== 'QUEUED') this.#stop();
    else if (!this.#waiting && !this.#isSaid) void this.#wait();
  }

  [Symbol.dispose](): void {
    this.#stop();
  }

  async #wait(): Promise<void> {
    const { signal } = (this.#waiting = new AbortController());
    await this.#clock.sleep(patienceMs, signal);
    if (signal.aborted) return;
    this.#isSaid = true;
    this.#say();
  }

  #stop(): void {
    this.#waiting?.abort();
    this.#waiting = undefined;
  }
}
