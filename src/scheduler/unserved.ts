import type { Bot } from './job-store.js';
import { describePlatform, unmetBy, type Platform } from './platform.js';

/** A bot that could almost take a Job. */
export interface NearestBot {
  readonly botId: string;
  readonly lacking: Platform;
}

/** Why none of the connected bots can take a Job. */
export interface Unserved {
  /** For people. */
  readonly message: string;
  /** What none of them offers; empty where only no bot has all of it. */
  readonly offeredByNone: Platform;
  /** Those that lack the least, best first. */
  readonly nearest: readonly NearestBot[];
}

/** How many bots are named. */
const namedBots = 3;

/** Says why nobody takes a Job of `platform`; `undefined` if one of the `bots` could. */
export function unservedOf(platform: Platform, bots: readonly Bot[]): Unserved | undefined {
  const byDistance = bots
    .map(({ botId, offered }) => ({ botId, lacking: unmetBy(offered, platform) }))
    .sort((left, right) => left.lacking.length - right.lacking.length);
  const [best] = byDistance;
  if (!best) return { message: 'no bot is connected', offeredByNone: [], nearest: [] };
  if (best.lacking.length === 0) return undefined;
  const offeredByNone = platform.filter((property) =>
    bots.every(({ offered }) => unmetBy(offered, [property]).length > 0),
  );
  const nearest = byDistance.slice(0, namedBots);
  return { message: describe(platform, offeredByNone, nearest), offeredByNone, nearest };
}

function describe(platform: Platform, offeredByNone: Platform, nearest: readonly NearestBot[]): string {
  const missing =
    offeredByNone.length > 0
      ? `no bot offers ${describePlatform(offeredByNone)}`
      : `no bot offers all of ${describePlatform(platform)}`;
  const bots = nearest.map(({ botId, lacking }) => `${JSON.stringify(botId)} lacks ${describePlatform(lacking)}`);
  return `${missing}; nearest: ${bots.join('; ')}`;
}
