import type { Clock } from '../common/clock.js';
import { BotGroup, chooseSleeper } from './bot-group.js';
import { platformOfKey, type OfferedProperties } from './platform.js';
import { WaitingBot } from './waiting-bot.js';

/** Bots that offer the same, and how many of them wait. */
interface Members {
  readonly group: BotGroup<WaitingBot>;
  count: number;
}

/**
 * The bots whose calls are held. Each Job that is queued wakes one of them that fits, not all; and one that is woken but
 * leaves without having looked passes the Job on, so that none is forgotten. What a Job costs here grows with the number
 * of different offers, not of bots.
 */
export class WaitingBots {
  readonly #clock: Clock;
  readonly #groups = new Map<string, Members>();
  readonly #bySession = new Map<string, Set<WaitingBot>>();
  #tick = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Joins the line, at its end, on behalf of a session. Disposal leaves it. */
  join(sessionName: string): WaitingBot {
    const bot = new WaitingBot(sessionName, {
      clock: this.#clock,
      enter: (offered) => this.#enter(offered),
      leave: (one, group, unseen) => this.#leave(one, group, unseen),
      nextTick: () => (this.#tick += 1),
    });
    const calls = this.#bySession.get(sessionName) ?? new Set();
    this.#bySession.set(sessionName, calls.add(bot));
    return bot;
  }

  /** A Job waits for a bot: for one that had the same target or input root last, if such a one sleeps. */
  offer(platformKey: string, affinityKey?: string): void {
    const platform = platformOfKey(platformKey);
    const fitting = [...this.#groups.values()].map(({ group }) => group).filter((group) => group.fits(platform));
    const sleeper = chooseSleeper(fitting, affinityKey);
    if (sleeper) sleeper.offer(platformKey);
    // Who is looking just now may have looked too early: each of them looks again.
    else for (const group of fitting) group.miss();
  }

  /** There is news of a session's Leases, or it is over. */
  notify(sessionName: string): void {
    for (const bot of this.#bySession.get(sessionName) ?? []) bot.notify();
  }

  /** News may have been missed: every bot comes again. */
  lookAgain(): void {
    for (const calls of this.#bySession.values()) for (const bot of calls) bot.notify();
  }

  #enter(offered: OfferedProperties): BotGroup<WaitingBot> {
    const key = JSON.stringify(offered);
    const members = this.#groups.get(key) ?? { group: new BotGroup<WaitingBot>(offered), count: 0 };
    members.count += 1;
    this.#groups.set(key, members);
    return members.group;
  }

  #leave(bot: WaitingBot, group: BotGroup<WaitingBot> | undefined, unseen: Iterable<string>): void {
    const calls = this.#bySession.get(bot.sessionName);
    calls?.delete(bot);
    if (calls?.size === 0) this.#bySession.delete(bot.sessionName);
    if (group) this.#forget(group);
    for (const platformKey of unseen) this.offer(platformKey);
  }

  #forget({ offered }: BotGroup<WaitingBot>): void {
    const key = JSON.stringify(offered);
    const members = this.#groups.get(key);
    if (!members) return;
    members.count -= 1;
    if (members.count === 0) this.#groups.delete(key);
  }
}
