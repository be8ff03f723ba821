import { rankJob, takesPlaceOf, type Rank } from '../scheduler/rank.js';
import { Heap } from './heap.js';
import type { Order } from './scenario.js';
import type { SimulatedJob } from './simulated-job.js';

/** A Job with the place that it had when this was made: places are exchanged. */
interface Placed extends Rank {
  readonly job: SimulatedJob;
}

/** The live Jobs of one invocation. */
interface Flow {
  /** Those that wait, the one to go first at hand. */
  readonly waiting: Heap<SimulatedJob>;
  /** The greatest finish at hand. */
  readonly finishes: Heap<Placed>;
  live: number;
}

/** The Jobs of one platform: what the store's statements do, in memory. */
export class SimulatedQueue {
  readonly platformKey: string;
  readonly #order: Order;
  readonly #heads = new Heap<Placed>({
    compare: (a, b) => a.rank - b.rank || a.job.seq - b.job.seq,
    isCurrent: ({ job, rank }) => job.state === 'waiting' && job.rank === rank,
  });
  readonly #leased = new Heap<SimulatedJob>({
    compare: (a, b) => b.finish - a.finish,
    isCurrent: ({ state }) => state === 'leased',
  });
  readonly #flows = new Map<string, Flow>();
  #waiting = 0;

  constructor(platformKey: string, order: Order) {
    this.platformKey = platformKey;
    this.#order = order;
  }

  /** How many Jobs wait. */
  get waiting(): number {
    return this.#waiting;
  }

  /** The greatest finish of the Jobs that bots have. */
  get leasedFinish(): number | undefined {
    return this.#leased.peek()?.finish;
  }

  get head(): SimulatedJob | undefined {
    return this.#heads.peek()?.job;
  }

  /** Queues a Job. `elsewhere` is the {@link leasedFinish} of all platforms. */
  add(job: SimulatedJob, elsewhere: number): void {
    const flow = this.#flows.get(job.invocation.id) ?? newFlow();
    this.#flows.set(job.invocation.id, flow);
    job.place(this.#rank(job, flow, elsewhere));
    flow.live += 1;
    this.#waiting += 1;
    flow.waiting.push(job);
    this.#enter(job, flow);
  }

  /** Gives a bot the place of `head`, and so the Job of its invocation that is due. */
  claim(head: SimulatedJob, nowMs: number): SimulatedJob {
    const flow = this.#flowOf(head);
    const due = flow.waiting.peek();
    const job = due && takesPlaceOf(head, due, nowMs) ? due : head;
    if (job !== head) {
      const { rank, finish } = head;
      head.place(job);
      this.#enter(head, flow);
      job.place({ rank, finish });
    }
    job.state = 'leased';
    this.#waiting -= 1;
    this.#leased.push(job);
    if (job !== head) flow.finishes.push({ job, rank: job.rank, finish: job.finish });
    return job;
  }

  complete(job: SimulatedJob): void {
    const flow = this.#flowOf(job);
    job.state = 'done';
    flow.live -= 1;
    if (flow.live === 0) this.#flows.delete(job.invocation.id);
  }

  #rank({ priority }: SimulatedJob, flow: Flow, elsewhere: number): Rank {
    if (this.#order === 'fifo') return { rank: priority, finish: 0 };
    const finishes = [this.head?.finish, this.leasedFinish].filter((finish) => finish !== undefined);
    return rankJob({
      virtualTime: finishes.length > 0 ? Math.max(...finishes) : elsewhere,
      lastFinish: flow.finishes.peek()?.finish,
      priority,
    });
  }

  #enter(job: SimulatedJob, flow: Flow): void {
    const placed = { job, rank: job.rank, finish: job.finish };
    this.#heads.push(placed);
    flow.finishes.push(placed);
  }

  #flowOf({ invocation: { id } }: SimulatedJob): Flow {
    const flow = this.#flows.get(id);
    if (!flow) throw new Error(`Invocation ${id} has no live Jobs`);
    return flow;
  }
}

function newFlow(): Flow {
  return {
    waiting: new Heap({
      compare: (a, b) => a.priority - b.priority || a.seq - b.seq,
      isCurrent: ({ state }) => state === 'waiting',
    }),
    finishes: new Heap({
      compare: (a, b) => b.finish - a.finish,
      isCurrent: ({ job, finish }) => job.state !== 'done' && job.finish === finish,
    }),
    live: 0,
  };
}
