import { setImmediate as turn } from 'node:timers/promises';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { describePlatform, platformKeyOf } from '../scheduler/platform.js';
import { Heap } from './heap.js';
import { Invocation } from './invocation.js';
import { Measurements } from './measurements.js';
import { Random } from './random.js';
import type { InvocationKind, Order, Scenario } from './scenario.js';
import { Series } from './series.js';
import { SimulatedCluster, type Claim } from './simulated-cluster.js';
import { SimulatedJob } from './simulated-job.js';
import { fairnessOf, type Sample, type SimulationReport } from './simulation-report.js';

/** What a {@link Simulation} depends on besides its scenario. */
export interface SimulationOptions {
  readonly order: Order;
  /** All that is random follows from it. */
  readonly seed: number;
  readonly onProgress?: (progress: { readonly done: number; readonly jobs: number }) => void;
}

/** Something that is to happen. */
interface Happening {
  readonly atMs: number;
  /** Keeps the order of what happens at the same time. */
  readonly number: number;
  happen(): void;
}

/** After so many happenings, the process may do something else. */
const turnEvery = 10_000;

/** One run of a {@link Scenario}, as fast as the machine can: time goes from one happening to the next. */
export class Simulation {
  readonly #scenario: Scenario;
  readonly #options: SimulationOptions;
  readonly #random: Random;
  readonly #cluster: SimulatedCluster;
  readonly #measurements: ReadonlyMap<InvocationKind, Measurements>;
  readonly #series = new Series();
  readonly #happenings = new Heap<Happening>({ compare: (a, b) => a.atMs - b.atMs || a.number - b.number });
  #nowMs = 0;
  #number = 0;
  #added = 0;
  #done = 0;
  #busyMs = 0;
  #hits = 0;

  /** Throws FAILED_PRECONDITION if Jobs would wait for ever, because no bot fits. */
  constructor(scenario: Scenario, options: SimulationOptions) {
    const { bots, invocations } = scenario;
    this.#scenario = scenario;
    this.#options = options;
    this.#random = new Random(options.seed);
    const platformKeys = [...new Set(invocations.map(({ platform }) => platformKeyOf(platform)))];
    this.#cluster = new SimulatedCluster({ bots, platformKeys, order: options.order });
    this.#measurements = new Map(invocations.map((kind) => [kind, new Measurements(kind)]));
    for (const kind of invocations) this.#checkServed(kind);
  }

  /** The states that it went through, at even distances of time. */
  get samples(): readonly Sample[] {
    return this.#series.samples;
  }

  /** Runs until every Job is done. Throws `signal`'s reason if it aborts before. */
  async run(signal?: AbortSignal): Promise<SimulationReport> {
    const { onProgress } = this.#options;
    const jobs = this.#scenario.invocations.reduce((sum, kind) => sum + kind.count * kind.jobs, 0);
    for (const kind of this.#scenario.invocations) this.#startNext(kind, 0);
    for (let count = 1; ; count++) {
      const next = this.#happenings.pop();
      if (!next) break;
      this.#series.advance(next.atMs, (atMs) => this.#sample(atMs));
      this.#nowMs = next.atMs;
      next.happen();
      if (count % turnEvery !== 0) continue;
      onProgress?.({ done: this.#done, jobs });
      await turn();
      signal?.throwIfAborted();
    }
    return this.#report(jobs);
  }

  #checkServed({ name, platform }: InvocationKind): void {
    if (this.#cluster.botsFor(platformKeyOf(platform)) > 0) return;
    const text = `No bot offers what the invocations ${JSON.stringify(name)} ask for: ${describePlatform(platform)}`;
    throw new StatusError(Code.FailedPrecondition, text);
  }

  /** One invocation of a kind starts the next: that keeps few of them in mind. */
  #startNext(kind: InvocationKind, index: number): void {
    if (index === kind.count) return;
    this.#at(kind.startMs + index * kind.everyMs, () => {
      const id = `${kind.name}/${index}`;
      const invocation = new Invocation(kind, {
        id,
        platformKey: platformKeyOf(kind.platform),
        startedAtMs: this.#nowMs,
      });
      this.#startNext(kind, index + 1);
      this.#send(invocation);
    });
  }

  #send(invocation: Invocation): void {
    const { duration, priority } = invocation.kind;
    while (invocation.hasNext) {
      const durationMs = this.#random.durationMs(duration);
      this.#added += 1;
      const job = new SimulatedJob(invocation, { seq: this.#added, priority, queuedAtMs: this.#nowMs, durationMs });
      invocation.add(durationMs);
      this.#begin(this.#cluster.add(job, this.#nowMs));
    }
  }

  #begin(claim: Claim | undefined): void {
    if (!claim) return;
    const { job, isLocal } = claim;
    const { kind } = job.invocation;
    this.#measurements.get(kind)?.begin(this.#nowMs - job.queuedAtMs);
    this.#busyMs += job.durationMs;
    if (isLocal) this.#hits += 1;
    this.#at(this.#nowMs + job.durationMs, () => this.#end(claim));
  }

  #end(claim: Claim): void {
    const { invocation } = claim.job;
    const measurements = this.#measurements.get(invocation.kind);
    if (measurements) measurements.running -= 1;
    this.#done += 1;
    invocation.complete();
    if (invocation.isDone) {
      measurements?.end(invocation, this.#cluster.botsFor(invocation.platformKey), this.#nowMs);
    }
    // The bot asks for work in the call that reports the result: before the client has heard of it.
    this.#begin(this.#cluster.complete(claim, this.#nowMs));
    this.#send(invocation);
  }

  #at(atMs: number, happen: () => void): void {
    this.#number += 1;
    this.#happenings.push({ atMs, number: this.#number, happen });
  }

  #sample(atMs: number): Sample {
    const runningByKind = [...this.#measurements.values()].map(({ running }) => running);
    const running = runningByKind.reduce((sum, count) => sum + count, 0);
    return { atMs, waiting: this.#cluster.waiting, running, done: this.#done, runningByKind };
  }

  #report(jobs: number): SimulationReport {
    const { order, seed } = this.#options;
    const bots = this.#scenario.bots.reduce((sum, { count }) => sum + count, 0);
    const all = [...this.#measurements.values()];
    return {
      order,
      seed,
      bots,
      jobs,
      simulatedMs: this.#nowMs,
      utilisation: this.#nowMs === 0 ? 0 : this.#busyMs / (bots * this.#nowMs),
      fairness: fairnessOf(all.flatMap(({ speeds }) => speeds)),
      localityHits: jobs === 0 ? 0 : this.#hits / jobs,
      kinds: all.map((each) => each.report()),
    };
  }
}
