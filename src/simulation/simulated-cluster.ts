import { BotGroup, chooseSleeper, type Sleeper } from '../scheduler/bot-group.js';
import { orderHeads } from '../scheduler/claim-order.js';
import { platformOfKey } from '../scheduler/platform.js';
import { startLike } from '../scheduler/platform-likeness.js';
import type { BotKind, Order } from './scenario.js';
import type { SimulatedJob } from './simulated-job.js';
import { SimulatedQueue } from './simulated-queue.js';

/** A bot, and what it had last. */
export interface SimulatedBot extends Sleeper {
  readonly group: BotGroup<SimulatedBot>;
  affinityKey: string | undefined;
  turn: number;
}

/** A Job that a bot begins. */
export interface Claim {
  readonly bot: SimulatedBot;
  readonly job: SimulatedJob;
  /** Whether it is of the target that the bot had last. */
  readonly isLocal: boolean;
}

/** What a {@link SimulatedCluster} is made of. */
export interface ClusterOptions {
  readonly bots: readonly BotKind[];
  readonly platformKeys: readonly string[];
  readonly order: Order;
}

/** Bots and queues, and the rules by which they come together: those of the scheduler, with nothing between. */
export class SimulatedCluster {
  readonly #queues: ReadonlyMap<string, SimulatedQueue>;
  readonly #groupsFor = new Map<string, readonly BotGroup<SimulatedBot>[]>();
  readonly #queuesFor = new Map<BotGroup<SimulatedBot>, readonly SimulatedQueue[]>();
  readonly #countOf = new Map<BotGroup<SimulatedBot>, number>();
  #tick = 0;

  constructor({ bots, platformKeys, order }: ClusterOptions) {
    this.#queues = new Map(platformKeys.map((key) => [key, new SimulatedQueue(key, order)]));
    for (const { count, offered } of bots) this.#open(new BotGroup(offered), count);
    for (const key of platformKeys) {
      const platform = platformOfKey(key);
      this.#groupsFor.set(
        key,
        [...this.#queuesFor.keys()].filter((group) => group.fits(platform)),
      );
    }
  }

  /** How many Jobs wait. */
  get waiting(): number {
    let sum = 0;
    for (const { waiting } of this.#queues.values()) sum += waiting;
    return sum;
  }

  /** How many bots can run Jobs of a platform. */
  botsFor(platformKey: string): number {
    return this.#groups(platformKey).reduce((sum, group) => sum + (this.#countOf.get(group) ?? 0), 0);
  }

  /** Queues a Job, and wakes a bot for it: what that one begins, if any sleeps. */
  add(job: SimulatedJob, nowMs: number): Claim | undefined {
    this.#queue(job.platformKey).add(job, this.#levelFor(job.platformKey));
    const bot = chooseSleeper(this.#groups(job.platformKey), job.affinityKey);
    if (!bot) return undefined;
    bot.group.wake(bot);
    return this.#claim(bot, nowMs);
  }

  /** A bot is done with a Job: what it begins next. It sleeps if there is nothing. */
  complete({ bot, job }: Claim, nowMs: number): Claim | undefined {
    this.#queue(job.platformKey).complete(job);
    return this.#claim(bot, nowMs);
  }

  #claim(bot: SimulatedBot, nowMs: number): Claim | undefined {
    const heads: SimulatedJob[] = [];
    for (const { head } of this.#queuesFor.get(bot.group) ?? []) if (head) heads.push(head);
    bot.turn += 1;
    const [head] = orderHeads(heads, bot, nowMs);
    if (!head) {
      bot.group.sleep(bot, (this.#tick += 1));
      return undefined;
    }
    const job = this.#queue(head.platformKey).claim(head, nowMs);
    const isLocal = bot.affinityKey === job.affinityKey;
    bot.affinityKey = job.affinityKey;
    return { bot, job, isLocal };
  }

  /** Where a platform starts that is idle: as far as those are that may have the same bots. */
  #levelFor(platformKey: string): number {
    const busy = [];
    for (const { platformKey: other, head } of this.#queues.values()) {
      if (head) busy.push({ platformKey: other, finish: head.finish });
    }
    return startLike(platformKey, busy) ?? this.#leasedFinish();
  }

  #leasedFinish(): number {
    let greatest = 0;
    for (const { leasedFinish = 0 } of this.#queues.values()) greatest = Math.max(greatest, leasedFinish);
    return greatest;
  }

  #open(group: BotGroup<SimulatedBot>, count: number): void {
    const queues = [...this.#queues.values()].filter(({ platformKey }) => group.fits(platformOfKey(platformKey)));
    this.#queuesFor.set(group, queues);
    this.#countOf.set(group, count);
    for (let index = 0; index < count; index++) {
      group.sleep({ group, affinityKey: undefined, turn: index }, (this.#tick += 1));
    }
  }

  #groups(platformKey: string): readonly BotGroup<SimulatedBot>[] {
    return this.#groupsFor.get(platformKey) ?? [];
  }

  #queue(platformKey: string): SimulatedQueue {
    const queue = this.#queues.get(platformKey);
    if (!queue) throw new Error(`There is no queue for ${platformKey}`);
    return queue;
  }
}
