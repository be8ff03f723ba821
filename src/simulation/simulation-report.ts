import type { Order } from './scenario.js';

/** How a set of numbers is spread. */
export interface Spread {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly max: number;
}

/** How invocations of one kind fared. */
export interface KindReport {
  readonly name: string;
  readonly invocations: number;
  readonly jobs: number;
  readonly priority: number;
  /** From queued to begun. */
  readonly waitMs: Spread;
  /** From an invocation's first Job queued to its last one done. */
  readonly makespanMs: Spread;
  /** How many times as long that is as it would be alone on all the bots. */
  readonly slowdown: Spread;
}

/** What came of a simulation. It follows from the scenario, the order and the seed. */
export interface SimulationReport {
  readonly order: Order;
  readonly seed: number;
  readonly bots: number;
  readonly jobs: number;
  /** Until the last Job was done. */
  readonly simulatedMs: number;
  /** The part of that in which the bots were busy, from 0 to 1. */
  readonly utilisation: number;
  /**
   * Jain's index over the speeds of the invocations (1 / slowdown): 1 if all are slowed down alike, near 0 if few get
   * everything.
   */
  readonly fairness: number;
  /** The part of the Jobs that met a bot that had their target last, from 0 to 1. */
  readonly localityHits: number;
  readonly kinds: readonly KindReport[];
}

/** The state at one moment, for plots. */
export interface Sample {
  readonly atMs: number;
  readonly waiting: number;
  readonly running: number;
  readonly done: number;
  /** The running Jobs of each kind of invocation. */
  readonly runningByKind: readonly number[];
}

/** How numbers are spread; all 0 if there are none. Sorts them. */
export function spreadOf(values: Float64Array): Spread {
  values.sort();
  const at = (part: number): number => values[Math.max(0, Math.ceil(part * values.length) - 1)] ?? 0;
  return { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: at(1) };
}

/** Jain's fairness index (1984): from 1/n to 1. */
export function fairnessOf(speeds: readonly number[]): number {
  let [sum, squares] = [0, 0];
  for (const speed of speeds) {
    sum += speed;
    squares += speed * speed;
  }
  return squares === 0 ? 1 : (sum * sum) / (speeds.length * squares);
}
