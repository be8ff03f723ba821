import { unmetBy, type OfferedProperties, type Platform } from './platform.js';

/** A bot that sleeps, as far as choosing one of them goes. */
export interface Sleeper {
  /** The target or input root that it had last. */
  readonly affinityKey: string | undefined;
}

/** The waiting bots that offer the same: a Job fits all of them, or none. */
export class BotGroup<S extends Sleeper> {
  readonly offered: OfferedProperties;
  /** Who sleeps, and since which tick: whoever fell asleep first comes first. */
  readonly #sleeping = new Map<S, number>();
  readonly #byAffinity = new Map<string, Set<S>>();
  #misses = 0;

  constructor(offered: OfferedProperties) {
    this.offered = offered;
  }

  /** How many Jobs have come while nobody slept: who looked before the last of them must look again. */
  get misses(): number {
    return this.#misses;
  }

  miss(): void {
    this.#misses += 1;
  }

  fits(platform: Platform): boolean {
    return unmetBy(this.offered, platform).length === 0;
  }

  /** The bot falls asleep at a moment that is later than that of all others. */
  sleep(bot: S, tick: number): void {
    this.#sleeping.set(bot, tick);
    const { affinityKey } = bot;
    if (affinityKey === undefined) return;
    const alike = this.#byAffinity.get(affinityKey) ?? new Set();
    this.#byAffinity.set(affinityKey, alike.add(bot));
  }

  /** The bot is awake, or about to be. */
  wake(bot: S): void {
    this.#sleeping.delete(bot);
    const { affinityKey } = bot;
    if (affinityKey === undefined) return;
    const alike = this.#byAffinity.get(affinityKey);
    alike?.delete(bot);
    if (alike?.size === 0) this.#byAffinity.delete(affinityKey);
  }

  /** Who sleeps longest; with an `affinityKey` only of those that had it last. */
  sleeper(affinityKey?: string): { readonly bot: S; readonly tick: number } | undefined {
    if (affinityKey === undefined) {
      const [first] = this.#sleeping;
      return first && { bot: first[0], tick: first[1] };
    }
    const [bot] = this.#byAffinity.get(affinityKey) ?? [];
    return bot && { bot, tick: this.#sleeping.get(bot) ?? 0 };
  }
}

/** Whom to wake: who sleeps longest of those that had `affinityKey` last, else of all. */
export function chooseSleeper<S extends Sleeper>(
  groups: readonly BotGroup<S>[],
  affinityKey: string | undefined,
): S | undefined {
  return (affinityKey === undefined ? undefined : longestAsleep(groups, affinityKey)) ?? longestAsleep(groups);
}

function longestAsleep<S extends Sleeper>(groups: readonly BotGroup<S>[], affinityKey?: string): S | undefined {
  let first: { readonly bot: S; readonly tick: number } | undefined;
  for (const group of groups) {
    const sleeper = group.sleeper(affinityKey);
    if (sleeper && (!first || sleeper.tick < first.tick)) first = sleeper;
  }
  return first?.bot;
}
