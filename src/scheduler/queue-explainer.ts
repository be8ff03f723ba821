import type { Clock } from '../common/clock.js';
import type { Bot, StoreUpkeep } from './job-store.js';
import { platformOfKey } from './platform.js';
import { unservedOf, type Unserved } from './unserved.js';

/** What a {@link QueueExplainer} depends on. */
export interface QueueExplainerOptions {
  readonly upkeep: Pick<StoreUpkeep, 'bots'>;
  readonly clock: Clock;
}

/** The bots of some moment, and what was found out about platforms with them. */
interface Snapshot {
  readonly takenAtMs: number;
  readonly bots: Promise<readonly Bot[]>;
  readonly unserved: Map<string, Unserved | undefined>;
}

/** Ten thousand clients may ask at the same time: all of them are answered from one look at the bots. */
const maxAgeMs = 2_000;

/** Says why Jobs wait that no connected bot could take. */
export class QueueExplainer {
  readonly #options: QueueExplainerOptions;
  #snapshot: Snapshot | undefined;

  constructor(options: QueueExplainerOptions) {
    this.#options = options;
  }

  /** `undefined` if a connected bot could take Jobs of the platform, however busy it is, or if that cannot be found out. */
  async explain(platformKey: string): Promise<Unserved | undefined> {
    const { bots, unserved } = this.#recent();
    try {
      const connected = await bots;
      if (!unserved.has(platformKey)) unserved.set(platformKey, unservedOf(platformOfKey(platformKey), connected));
      return unserved.get(platformKey);
    } catch {
      // A hint is no reason to end a stream: whoever needs the store will tell that it does not answer.
      this.#snapshot = undefined;
      return undefined;
    }
  }

  #recent(): Snapshot {
    const { upkeep, clock } = this.#options;
    const age = clock.now() - (this.#snapshot?.takenAtMs ?? -Infinity);
    if (!this.#snapshot || age >= maxAgeMs || age < 0) {
      this.#snapshot = { takenAtMs: clock.now(), bots: upkeep.bots(), unserved: new Map() };
    }
    return this.#snapshot;
  }
}
