import type { QueueHead } from '../scheduler/claim-order.js';
import type { PlacedJob, Rank } from '../scheduler/rank.js';
import type { Invocation } from './invocation.js';

/** What a {@link SimulatedJob} is made of. */
export interface SimulatedJobOptions {
  /** Its place among all Jobs. */
  readonly seq: number;
  readonly priority: number;
  readonly queuedAtMs: number;
  readonly durationMs: number;
}

/** A Job, as a row of the store would be. */
export class SimulatedJob implements QueueHead, PlacedJob {
  readonly seq: number;
  readonly invocation: Invocation;
  readonly platformKey: string;
  readonly affinityKey: string;
  readonly priority: number;
  readonly queuedAtMs: number;
  readonly durationMs: number;
  rank = 0;
  finish = 0;
  state: 'waiting' | 'leased' | 'done' = 'waiting';

  constructor(invocation: Invocation, { seq, priority, queuedAtMs, durationMs }: SimulatedJobOptions) {
    this.seq = seq;
    this.invocation = invocation;
    this.platformKey = invocation.platformKey;
    this.affinityKey = invocation.nextTarget;
    this.priority = priority;
    this.queuedAtMs = queuedAtMs;
    this.durationMs = durationMs;
  }

  place({ rank, finish }: Rank): void {
    this.rank = rank;
    this.finish = finish;
  }
}
