import type { Clock } from '../common/clock.js';
import type { BotGroup, Sleeper } from './bot-group.js';
import type { OfferedProperties } from './platform.js';
import { Waker } from './waker.js';

/** Why a bot's wait is over. */
export type WakeReason = 'work' | 'session' | 'time';

/** What a {@link WaitingBot} needs of the line that it stands in. */
export interface Line {
  readonly clock: Clock;
  /** The group of those that offer this, with the bot in it. */
  enter(offered: OfferedProperties): BotGroup<WaitingBot>;
  /** Which of the Jobs that were offered to the bot it leaves unseen. */
  leave(bot: WaitingBot, group: BotGroup<WaitingBot> | undefined, unseen: Iterable<string>): void;
  nextTick(): number;
}

/** A place in the line of {@link WaitingBots}. */
export class WaitingBot implements Sleeper, Disposable {
  readonly sessionName: string;
  readonly #line: Line;
  readonly #waker = new Waker();
  readonly #offers = new Set<string>();
  /** `undefined` while it only wants to hear of its Leases. */
  #group: BotGroup<WaitingBot> | undefined;
  #affinityKey: string | undefined;
  #missesSeen = 0;
  #hasNews = false;

  constructor(sessionName: string, line: Line) {
    this.sessionName = sessionName;
    this.#line = line;
  }

  /** The target or input root that it had last. */
  get affinityKey(): string | undefined {
    return this.#affinityKey;
  }

  offer(platformKey: string): void {
    this.#offers.add(platformKey);
    this.#wake();
  }

  notify(): void {
    this.#hasNews = true;
    this.#wake();
  }

  /**
   * The bot looks for a Job now: what was offered until now, it sees; of what comes from now on, it is told. It offers the
   * same each time. `affinityKey` is the target or input root that it had last.
   */
  look(offered: OfferedProperties, affinityKey?: string): void {
    this.#affinityKey = affinityKey;
    this.#group ??= this.#line.enter(offered);
    this.#missesSeen = this.#group.misses;
    this.#offers.clear();
  }

  /** Sleeps until there is something to look at, `ms` have passed or `signal` aborts. */
  async wait(ms: number, signal: AbortSignal): Promise<WakeReason> {
    if (!this.#hasNews && !this.#hasWork()) {
      this.#group?.sleep(this, this.#line.nextTick());
      await this.#waker.sleep(this.#line.clock, ms, signal);
      this.#group?.wake(this);
    }
    if (this.#hasNews) return 'session';
    return this.#hasWork() ? 'work' : 'time';
  }

  [Symbol.dispose](): void {
    this.#group?.wake(this);
    this.#line.leave(this, this.#group, this.#offers);
  }

  #hasWork(): boolean {
    return this.#offers.size > 0 || (this.#group !== undefined && this.#group.misses > this.#missesSeen);
  }

  #wake(): void {
    this.#group?.wake(this);
    this.#waker.wake();
  }
}
