import type { Clock } from './clock.js';
import { Code } from './code.js';
import { StatusError } from './status-error.js';

/** How often and how patiently a failed call is repeated. */
export interface RetryPolicy {
  /** Attempts in all, the first included. */
  readonly maxAttempts: number;
  readonly initialDelayMs: number;
  readonly maxDelayMs: number;
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

/** What {@link retry} depends on. */
export interface RetryOptions {
  readonly policy: RetryPolicy;
  readonly clock: Clock;
  /** Which failures are worth a repetition. @defaultValue {@link isTransient} */
  readonly shouldRetry?: (reason: unknown) => boolean;
  /** A source of jitter in [0, 1). @defaultValue Math.random */
  readonly random?: () => number;
}

/** Delay before attempt `attempt` + 1: exponential with full jitter, so that many clients do not come back at once. */
export function backOffMs(policy: RetryPolicy, attempt: number, random: () => number = Math.random): number {
  const ceiling = Math.min(policy.maxDelayMs, policy.initialDelayMs * 2 ** (attempt - 1));
  return Math.round(ceiling * (0.5 + random() / 2));
}

/** Calls `task` until it succeeds, fails for good, uses up its attempts, or `signal` aborts. */
export async function retry<T>(
  task: (attempt: number) => Promise<T>,
  { policy, clock, shouldRetry = isTransient, random = Math.random }: RetryOptions,
  signal?: AbortSignal,
): Promise<T> {
  const isStopped = (): boolean => signal?.aborted ?? false;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await task(attempt);
    } catch (reason) {
      if (attempt >= policy.maxAttempts || isStopped() || !shouldRetry(reason)) throw reason;
      await clock.sleep(backOffMs(policy, attempt, random), signal);
      if (isStopped()) throw reason;
    }
  }
}
