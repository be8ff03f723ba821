import type { Clock } from '../common/clock.js';
import { Code } from '../common/code.js';
import type { Logger } from '../common/logger.js';
import { failureResponse } from './execute-responses.js';
import type { Bot, StoreUpkeep } from './job-store.js';
import { describePlatform, fits, platformOfKey } from './platform.js';
import { unservedOf } from './unserved.js';

/** What a {@link Housekeeper} depends on. */
export interface HousekeeperOptions {
  readonly upkeep: StoreUpkeep;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly sweepMs: number;
  readonly retentionMs: number;
  /** 0 means for ever. */
  readonly maxQueueTimeMs: number;
  /** Told the platforms that Jobs wait for, in case an event was lost. */
  offer(platformKey: string): void;
}

const pruneEveryMs = 10 * 60_000;

/** Does what no event asks for: ends sessions whose bots are gone, fails what nobody can do, forgets what is over. */
export class Housekeeper {
  readonly #options: HousekeeperOptions;
  /** Since when no connected bot fits the Jobs of a platform. */
  readonly #unservedSince = new Map<string, number>();
  #prunedAtMs: number;
  #isFailing = false;

  constructor(options: HousekeeperOptions) {
    this.#options = options;
    this.#prunedAtMs = options.clock.now();
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
      }
    }
  }

  async #sweep(): Promise<void> {
    const { upkeep, clock, logger } = this.#options;
    const [expired, platformKeys] = await Promise.all([upkeep.expireSessions(), upkeep.queuedPlatforms()]);
    if (expired > 0) logger.warn({ sessions: expired }, 'Bot sessions expired');
    for (const platformKey of platformKeys) this.#options.offer(platformKey);
    await this.#failUnserved(platformKeys);
    if (clock.now() - this.#prunedAtMs >= pruneEveryMs) await this.#prune();
  }

  async #failUnserved(platformKeys: readonly string[]): Promise<void> {
    const { upkeep, clock, maxQueueTimeMs } = this.#options;
    if (maxQueueTimeMs === 0) return;
    for (const known of this.#unservedSince.keys())
      if (!platformKeys.includes(known)) this.#unservedSince.delete(known);
    if (platformKeys.length === 0) return;
    const bots = await upkeep.bots();
    for (const platformKey of platformKeys) {
      const isServed = bots.some(({ offered }) => fits(offered, platformKey));
      const since = this.#unservedSince.get(platformKey) ?? clock.now();
      if (isServed) this.#unservedSince.delete(platformKey);
      else this.#unservedSince.set(platformKey, since);
      if (!isServed && clock.now() - since >= maxQueueTimeMs) await this.#fail(platformKey, bots);
    }
  }

  async #fail(platformKey: string, bots: readonly Bot[]): Promise<void> {
    const { upkeep, logger, maxQueueTimeMs } = this.#options;
    const platform = platformOfKey(platformKey);
    const why = unservedOf(platform, bots)?.message;
    const message = `The action waited for ${maxQueueTimeMs / 1000} s without a bot that could take it: ${why}`;
    const response = failureResponse(Code.FailedPrecondition, message);
    const jobs = await upkeep.failQueued(platformKey, maxQueueTimeMs, response);
    if (jobs > 0) logger.warn({ jobs, platform: describePlatform(platform), why }, 'Jobs failed for want of a bot');
  }

  async #prune(): Promise<void> {
    const { upkeep, clock, logger, retentionMs } = this.#options;
    this.#prunedAtMs = clock.now();
    let operations = 0;
    for (let count = 1; count > 0; operations += count) count = await upkeep.prune(retentionMs);
    if (operations > 0) logger.debug({ operations }, 'Old operations forgotten');
  }
}
