import type { Clock } from '../common/clock.js';
import { backOffMs, type RetryPolicy } from '../common/retry.js';

const failurePolicy: RetryPolicy = { maxAttempts: Infinity, initialDelayMs: 500, maxDelayMs: 5_000 };

/** A server that answers sooner than this with nothing new does not hold calls, and is asked less often by and by. */
const heldMs = 1_000;
const unheldPolicy: RetryPolicy = { maxAttempts: Infinity, initialDelayMs: 200, maxDelayMs: 5_000 };

/** What a {@link Pacer} works with. */
export interface PacerOptions {
  readonly clock: Clock;
  /** A source of jitter in [0, 1). @defaultValue Math.random */
  readonly random?: () => number;
}

/** Keeps a bot from calling a server that fails, or that answers at once, as fast as it can (U2). */
export class Pacer {
  readonly #clock: Clock;
  readonly #random: () => number;
  #failures = 0;
  #unheldCalls = 0;

  constructor({ clock, random = Math.random }: PacerOptions) {
    this.#clock = clock;
    this.#random = random;
  }

  get isFailing(): boolean {
    return this.#failures > 0;
  }

  /** Waits after a failed call, longer each time, or until `signal` aborts. */
  async afterFailure(signal: AbortSignal): Promise<void> {
    this.#failures += 1;
    await this.#clock.sleep(backOffMs(failurePolicy, this.#failures, this.#random), signal);
  }

  /** A call succeeded: the next failure is a first one again. */
  succeeded(): void {
    this.#failures = 0;
  }

  /** Waits after a call that began at `startedAt`, if it said nothing new at once, or until `signal` aborts. */
  async afterAnswer(startedAt: number, isNews: boolean, signal: AbortSignal): Promise<void> {
    const wasHeld = this.#clock.now() - startedAt >= heldMs;
    this.#unheldCalls = isNews || wasHeld ? 0 : this.#unheldCalls + 1;
    if (this.#unheldCalls > 0) {
      await this.#clock.sleep(backOffMs(unheldPolicy, this.#unheldCalls, this.#random), signal);
    }
  }
}
