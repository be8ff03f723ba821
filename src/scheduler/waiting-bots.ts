import type { Clock } from '../common/clock.js';
import { platformOfKey, unmetBy, type OfferedProperties, type Platform } from './platform.js';
import { Waker } from './waker.js';

/** Why a bot's wait is over. */
export type WakeReason = 'work' | 'session' | 'time';

/**
 * The bots whose calls are held. Each Job that is queued wakes one of them that fits, not all; and one that is woken but
 * leaves without having looked passes the Job on, so that none is forgotten.
 */
export class WaitingBots {
  readonly #clock: Clock;
  readonly #waiting = new Set<WaitingBot>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Joins the line, at its end, on behalf of a session. Disposal leaves it. */
  join(sessionName: string): WaitingBot {
    const bot = new WaitingBot(sessionName, this.#clock, (unseen) => {
      this.#waiting.delete(bot);
      for (const platformKey of unseen) this.offer(platformKey);
    });
    this.#waiting.add(bot);
    return bot;
  }

  /** A Job waits for a bot. */
  offer(platformKey: string): void {
    const platform = platformOfKey(platformKey);
    const fitting = [...this.#waiting].filter((bot) => bot.fits(platform));
    const sleeping = fitting.find((bot) => bot.isSleeping);
    // Who is looking just now may have looked too early: each of them looks again.
    for (const bot of sleeping ? [sleeping] : fitting) bot.offer(platformKey);
  }

  /** There is news of a session's Leases, or it is over. */
  notify(sessionName: string): void {
    for (const bot of this.#waiting) if (bot.sessionName === sessionName) bot.notify();
  }
}

/** A place in the line of {@link WaitingBots}. */
export class WaitingBot implements Disposable {
  readonly sessionName: string;
  readonly #clock: Clock;
  readonly #leave: (unseen: Iterable<string>) => void;
  readonly #waker = new Waker();
  readonly #offers = new Set<string>();
  /** What it offers to the Jobs that come; `undefined` while it only wants to hear of its Leases. */
  #offered: OfferedProperties | undefined;
  #hasNews = false;
  #isSleeping = false;

  constructor(sessionName: string, clock: Clock, leave: (unseen: Iterable<string>) => void) {
    this.sessionName = sessionName;
    this.#clock = clock;
    this.#leave = leave;
  }

  /** Whether it is not awake already. */
  get isSleeping(): boolean {
    return this.#isSleeping && this.#offers.size === 0;
  }

  fits(platform: Platform): boolean {
    return this.#offered !== undefined && unmetBy(this.#offered, platform).length === 0;
  }

  offer(platformKey: string): void {
    this.#offers.add(platformKey);
    this.#waker.wake();
  }

  notify(): void {
    this.#hasNews = true;
    this.#waker.wake();
  }

  /** The bot looks for a Job now: what was offered until now, it sees; of what comes from now on, it is told. */
  look(offered: OfferedProperties): void {
    this.#offered = offered;
    this.#offers.clear();
  }

  /** Sleeps until there is something to look at, `ms` have passed or `signal` aborts. */
  async wait(ms: number, signal: AbortSignal): Promise<WakeReason> {
    if (this.#offers.size === 0 && !this.#hasNews) {
      this.#isSleeping = true;
      await this.#waker.sleep(this.#clock, ms, signal);
      this.#isSleeping = false;
    }
    if (this.#hasNews) return 'session';
    return this.#offers.size > 0 ? 'work' : 'time';
  }

  [Symbol.dispose](): void {
    this.#leave(this.#offers);
  }
}
