import type { Invocation } from './invocation.js';
import type { InvocationKind } from './scenario.js';
import { spreadOf, type KindReport } from './simulation-report.js';

/** What is noted of the invocations of one kind: eight bytes a Job. */
export class Measurements {
  readonly #kind: InvocationKind;
  readonly #waitsMs: Float64Array;
  readonly #makespansMs: Float64Array;
  readonly #slowdowns: Float64Array;
  #begun = 0;
  #ended = 0;
  running = 0;

  constructor(kind: InvocationKind) {
    this.#kind = kind;
    this.#waitsMs = new Float64Array(kind.count * kind.jobs);
    this.#makespansMs = new Float64Array(kind.count);
    this.#slowdowns = new Float64Array(kind.count);
  }

  /** 1 / slowdown of each invocation. */
  get speeds(): number[] {
    return Array.from(this.#slowdowns, (slowdown) => 1 / slowdown);
  }

  begin(waitMs: number): void {
    this.#waitsMs[this.#begun] = waitMs;
    this.#begun += 1;
    this.running += 1;
  }

  /** The last Job of an invocation is done, which had so many bots for itself at the most. */
  end({ kind, startedAtMs, workMs, longestMs }: Invocation, bots: number, nowMs: number): void {
    const atOnce = Math.min(bots, kind.parallelism, kind.jobs);
    const makespanMs = nowMs - startedAtMs;
    const aloneMs = Math.max(workMs / atOnce, longestMs);
    this.#makespansMs[this.#ended] = makespanMs;
    // Jobs that take no time are done at once, and cannot be slowed down.
    this.#slowdowns[this.#ended] = aloneMs === 0 ? 1 : makespanMs / aloneMs;
    this.#ended += 1;
  }

  report(): KindReport {
    const { name, count, jobs, priority } = this.#kind;
    return {
      name,
      invocations: count,
      jobs: count * jobs,
      priority,
      waitMs: spreadOf(this.#waitsMs),
      makespanMs: spreadOf(this.#makespansMs),
      slowdown: spreadOf(this.#slowdowns),
    };
  }
}
