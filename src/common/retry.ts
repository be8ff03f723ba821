import type { Clock } from './clock.js';
import { Code } from './code.js';
import { StatusError } from './status-error.js';

/** How often and how patiently a failed call is repeated. */
export interface RetryPolicy {
  /** Attempts in all, the first included. */
  readonly maxAttempts: number;
  readonly initialDelayMs: number;
  readonly maxDelayMs: number;
  /** Gives up when so much time has passed since the first failure. @defaultValue only attempts count */
  readonly maxElapsedMs?: number;
}

/** About 15 seconds of patience, the order of what Bazel has (100 ms doubling to 5 s, with jitter). */
export const defaultRetryPolicy: RetryPolicy = { maxAttempts: 8, initialDelayMs: 100, maxDelayMs: 5_000 };

/** Codes after which the same call may succeed later. REAPI clients do the same (RT-1). */
const transient: ReadonlySet<Code> = new Set<Code>([
  Code.Unavailable,
  Code.ResourceExhausted,
  Code.Aborted,
  Code.Internal,
  Code.Unknown,
]);

/** Whether a repetition may help. */
export function isTransient(reason: unknown): boolean {
  return transient.has(StatusError.from(reason).code);
}

/** What {@link retry} and {@link BackOff} depend on. */
export interface RetryOptions {
  readonly policy: RetryPolicy;
  readonly clock: Clock;
  /** Which failures are worth a repetition. @defaultValue {@link isTransient} */
  readonly shouldRetry?: (reason: unknown) => boolean;
  /** The least delay that a failure itself asks for. @defaultValue none */
  readonly delayWantedMs?: (reason: unknown) => number;
  /** A source of jitter in [0, 1). @defaultValue Math.random */
  readonly random?: () => number;
}

/** Delay before attempt `attempt` + 1: exponential with full jitter, so that many clients do not come back at once. */
export function backOffMs(policy: RetryPolicy, attempt: number, random: () => number = Math.random): number {
  const ceiling = Math.min(policy.maxDelayMs, policy.initialDelayMs * 2 ** (attempt - 1));
  return Math.round(ceiling * random());
}

/** Counts the failures of something that is tried again, and waits longer after each. */
export class BackOff {
  readonly #options: RetryOptions;
  #failures = 0;
  #failingSince = 0;

  constructor(options: RetryOptions) {
    this.#options = options;
  }

  /** Waits before the next attempt. Throws `reason` if there should be none, or when `signal` aborts. */
  async pause(reason: unknown, signal?: AbortSignal): Promise<void> {
    const { policy, clock, random, shouldRetry = isTransient, delayWantedMs } = this.#options;
    const isStopped = (): boolean => signal?.aborted ?? false;
    if (isStopped() || !shouldRetry(reason) || this.#isOver()) throw reason;
    await clock.sleep(Math.max(backOffMs(policy, this.#failures, random), delayWantedMs?.(reason) ?? 0), signal);
    if (isStopped()) throw reason;
  }

  /** Something was achieved: attempts and delays start anew. */
  reset(): void {
    this.#failures = 0;
  }

  /** Counts a failure; true if it was the last that is put up with. */
  #isOver(): boolean {
    const { policy, clock } = this.#options;
    if (this.#failures === 0) this.#failingSince = clock.now();
    this.#failures += 1;
    if (this.#failures >= policy.maxAttempts) return true;
    return clock.now() - this.#failingSince >= (policy.maxElapsedMs ?? Infinity);
  }
}

/** Calls `task` until it succeeds, fails for good, uses up its attempts, or `signal` aborts. */
export async function retry<T>(
  task: (attempt: number) => Promise<T>,
  options: RetryOptions,
  signal?: AbortSignal,
): Promise<T> {
  const backOff = new BackOff(options);
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await task(attempt);
    } catch (reason) {
      await backOff.pause(reason, signal);
    }
  }
}
