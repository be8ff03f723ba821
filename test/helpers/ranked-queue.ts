import { rankJob, takesPlaceOf, type PlacedJob, type Rank } from '../../src/scheduler/rank.js';

/** A Job that waits, or a bot has it. */
export interface RankedJob extends PlacedJob, Rank {
  readonly invocation: string;
}

/** One platform's Jobs in the plainest way: ranked when they come, and claimed as the stores do. */
export class RankedQueue {
  readonly #waiting: RankedJob[] = [];
  readonly #leased: RankedJob[] = [];
  #seq = 0;

  add(invocation: string, priority = 0, queuedAtMs = 0): RankedJob {
    const ownFinishes = [...this.#waiting, ...this.#leased]
      .filter((job) => job.invocation === invocation)
      .map(({ finish }) => finish);
    const head = this.#head();
    const rank = rankJob({
      virtualTime: Math.max(...this.#leased.map(({ finish }) => finish), ...(head ? [head.finish] : []), 0),
      lastFinish: ownFinishes.length > 0 ? Math.max(...ownFinishes) : undefined,
      priority,
    });
    this.#seq += 1;
    const job = { invocation, priority, queuedAtMs, seq: this.#seq, ...rank };
    this.#waiting.push(job);
    return job;
  }

  claim(nowMs = 0): RankedJob | undefined {
    const head = this.#head();
    if (!head) return undefined;
    const chosen = this.#waiting
      .filter(({ invocation }) => invocation === head.invocation)
      .reduce((best, job) => (takesPlaceOf(best, job, nowMs) ? job : best), head);
    const { rank, finish } = head;
    this.#waiting[this.#waiting.indexOf(head)] = { ...head, rank: chosen.rank, finish: chosen.finish };
    this.#waiting.splice(
      this.#waiting.findIndex(({ seq }) => seq === chosen.seq),
      1,
    );
    const leased = { ...chosen, rank, finish };
    this.#leased.push(leased);
    return leased;
  }

  complete(job: RankedJob): void {
    this.#leased.splice(this.#leased.indexOf(job), 1);
  }

  /** One bot does `count` Jobs, or all there are: whose they were. */
  serve(count = Infinity): RankedJob[] {
    const served: RankedJob[] = [];
    while (served.length < count) {
      const job = this.claim();
      if (!job) break;
      this.complete(job);
      served.push(job);
    }
    return served;
  }

  #head(): RankedJob | undefined {
    return this.#waiting.reduce<RankedJob | undefined>(
      (least, job) =>
        least && (least.rank < job.rank || (least.rank === job.rank && least.seq < job.seq)) ? least : job,
      undefined,
    );
  }
}
