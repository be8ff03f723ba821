import type { OfferedProperties, Platform } from '../scheduler/platform.js';

/** How long Jobs take. */
export interface Duration {
  readonly distribution: 'constant' | 'exponential' | 'lognormal';
  readonly meanMs: number;
  /** Of the logarithm, for `lognormal`. */
  readonly sigma: number;
}

/** Bots that offer the same, all there from the start. */
export interface BotKind {
  readonly count: number;
  readonly offered: OfferedProperties;
}

/** Invocations of one kind. */
export interface InvocationKind {
  readonly name: string;
  /** How many invocations. */
  readonly count: number;
  /** When the first one starts. */
  readonly startMs: number;
  /** How long after each the next one starts. */
  readonly everyMs: number;
  /** How many Jobs each has. */
  readonly jobs: number;
  readonly priority: number;
  readonly platform: Platform;
  readonly duration: Duration;
  /** How many Jobs the client has in flight at a time, as Bazel's `--jobs`. */
  readonly parallelism: number;
  /** How many Jobs in a row are of one target. */
  readonly jobsPerTarget: number;
}

/** What is simulated. */
export interface Scenario {
  readonly bots: readonly BotKind[];
  readonly invocations: readonly InvocationKind[];
}

/** How Jobs are ordered: as the server does, or by priority and then arrival, to compare with. */
export type Order = 'fair' | 'fifo';
