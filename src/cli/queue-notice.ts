import type { StageName } from '../client/operation-summary.js';
import { systemClock, type Clock } from '../common/clock.js';

/** So long a queue is nothing to tell of. */
const patienceMs = 3_000;

/** Tells once, and only if it takes long, that an operation waits in the queue, and why. */
export class QueueNotice implements Disposable {
  readonly #say: (why: string | undefined) => void;
  readonly #clock: Clock;
  #waiting: AbortController | undefined;
  #isSaid = false;
  #why: string | undefined;

  constructor(say: (why: string | undefined) => void, clock: Clock = systemClock) {
    this.#say = say;
    this.#clock = clock;
  }

  /** Takes note of a state of the operation, and why it waits where that is known. */
  see(stage: StageName, why?: string): void {
    this.#why = why;
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
    this.#say(this.#why);
  }

  #stop(): void {
    this.#waiting?.abort();
    this.#waiting = undefined;
  }
}
