import type { Clock } from '../common/clock.js';
import { Code } from '../common/code.js';
import type { Logger } from '../common/logger.js';
import type { Audience } from './audience.js';
import { failureResponse } from './execute-responses.js';
import type { Bot, JobStore } from './job-store.js';
import { describePlatform, fits, platformOfKey } from './platform.js';
import { unservedOf } from './unserved.js';

/** What a {@link Housekeeper} depends on. */
export interface HousekeeperOptions {
  readonly store: Pick<JobStore, 'upkeep' | 'events'>;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly audience: Pick<Audience, 'tend' | 'extendAll'>;
  readonly keepaliveMs: number;
  readonly sweepMs: number;
  /** How often those are to look again who follow Operations. */
  readonly repeatMs: number;
  readonly retentionMs: number;
  /** 0 means for ever. */
  readonly maxQueueTimeMs: number;
  /** Told the platforms that Jobs wait for, in case an event was lost. */
  offer(platformKey: string): void;
  /** Told that those who follow Operations are to look again, for the same reason. */
  lookAgain(): void;
}

const pruneEveryMs = 10 * 60_000;

/** Does what no event asks for: ends sessions whose bots are gone, fails what nobody can do, forgets what is over. */
export class Housekeeper {
  readonly #options: HousekeeperOptions;
  /** Since when no connected bot fits the Jobs of a platform. */
  readonly #unservedSince = new Map<string, number>();
  #prunedAtMs: number;
  #lookedAtMs: number;
  /** Since when only the line to the others has been down. */
  #blindSinceMs: number;
  /** Whether bots could not report: none is given up before they have got a new deadline. */
  #mustExtend = false;
  #isFailing = false;

  constructor(options: HousekeeperOptions) {
    this.#options = options;
    this.#prunedAtMs = options.clock.now();
    this.#lookedAtMs = options.clock.now();
    this.#blindSinceMs = options.clock.now();
  }

  /** Gives all bots and clients a new deadline: nobody was there to hear them. What fails now is done by the next sweep. */
  async extendSessions(): Promise<void> {
    const { store, keepaliveMs, logger } = this.#options;
    this.#mustExtend = true;
    this.#options.audience.extendAll();
    try {
      await store.upkeep.extendSessions(keepaliveMs);
      this.#mustExtend = false;
    } catch (err) {
      logger.debug({ err }, 'Bot sessions are extended later');
    }
  }

  /** Sweeps now and then until `signal` aborts. A store that fails is tried again the next time. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, sweepMs, logger } = this.#options;
    const isStopped = (): boolean => signal.aborted;
    while (!isStopped()) {
      await clock.sleep(sweepMs, signal);
      if (isStopped()) return;
      try {
        await this.#sweep();
        if (this.#isFailing) logger.info({}, 'Housekeeping works again');
        this.#isFailing = false;
      } catch (err) {
        // Once, not at every sweep (U5).
        if (!this.#isFailing) logger.error({ err }, 'Housekeeping failed');
        this.#isFailing = true;
        this.#blindSinceMs = clock.now();
      }
    }
  }

  async #sweep(): Promise<void> {
    const { store, clock, logger, repeatMs } = this.#options;
    const [expired, platformKeys] = await Promise.all([this.#expireSessions(), store.upkeep.queuedPlatforms()]);
    if (expired > 0) logger.warn({ sessions: expired }, 'Bot sessions expired');
    for (const platformKey of platformKeys) this.#options.offer(platformKey);
    const cancelled = await this.#options.audience.tend();
    if (cancelled > 0) logger.info({ operations: cancelled }, 'Operations cancelled that nobody watched');
    await this.#failUnserved(platformKeys);
    if (clock.now() - this.#lookedAtMs >= repeatMs) {
      this.#lookedAtMs = clock.now();
      this.#options.lookAgain();
    }
    if (clock.now() - this.#prunedAtMs >= pruneEveryMs) await this.#prune();
  }

  /**
   * While the line to the others is down, bots may be unable to report for the same reason: nobody is given up, unless all
   * else has worked for so long that this cannot be.
   */
  async #expireSessions(): Promise<number> {
    const { store, clock, keepaliveMs } = this.#options;
    const { upkeep, events } = store;
    if (events.isConnected) this.#blindSinceMs = clock.now();
    else if (clock.now() - this.#blindSinceMs < 2 * keepaliveMs) return 0;
    if (this.#mustExtend) await this.extendSessions();
    return this.#mustExtend ? 0 : upkeep.expireSessions();
  }

  async #failUnserved(platformKeys: readonly string[]): Promise<void> {
    const { store, clock, maxQueueTimeMs } = this.#options;
    if (maxQueueTimeMs === 0) return;
    for (const known of this.#unservedSince.keys())
      if (!platformKeys.includes(known)) this.#unservedSince.delete(known);
    if (platformKeys.length === 0) return;
    const bots = await store.upkeep.bots();
    for (const platformKey of platformKeys) {
      const isServed = bots.some(({ offered }) => fits(offered, platformKey));
      const since = this.#unservedSince.get(platformKey) ?? clock.now();
      if (isServed) this.#unservedSince.delete(platformKey);
      else this.#unservedSince.set(platformKey, since);
      if (!isServed && clock.now() - since >= maxQueueTimeMs) await this.#fail(platformKey, bots);
    }
  }

  async #fail(platformKey: string, bots: readonly Bot[]): Promise<void> {
    const { store, logger, maxQueueTimeMs } = this.#options;
    const platform = platformOfKey(platformKey);
    const why = unservedOf(platform, bots)?.message;
    const message = `The action waited for ${maxQueueTimeMs / 1000} s without a bot that could take it: ${why}`;
    const response = failureResponse(Code.FailedPrecondition, message);
    const jobs = await store.upkeep.failQueued(platformKey, maxQueueTimeMs, response);
    if (jobs > 0) logger.warn({ jobs, platform: describePlatform(platform), why }, 'Jobs failed for want of a bot');
  }

  async #prune(): Promise<void> {
    const { store, clock, logger, retentionMs } = this.#options;
    this.#prunedAtMs = clock.now();
    let operations = 0;
    for (let count = 1; count > 0; operations += count) count = await store.upkeep.prune(retentionMs);
    if (operations > 0) logger.debug({ operations }, 'Old operations forgotten');
  }
}
