import type { FleetBot, JobDetails } from './job-inspection.js';
import { maxAhead } from './job-inspection.js';
import { fits, platformOfKey } from './platform.js';
import { Stage } from './stage.js';
import { unservedOf } from './unserved.js';

/** Why a Job is not executed yet. */
export interface Waiting {
  /** For people. */
  readonly message: string;
  /** How many Jobs of its platform go first, counted up to {@link maxAhead}. */
  readonly ahead: number;
  /** The connected bots that fit, by what they do. */
  readonly bots: Readonly<Record<FleetBot['state'], number>>;
}

/** Says why a Job is not executed yet; `undefined` if it is, or is over. */
export function explainWaiting(details: JobDetails, fleet: readonly FleetBot[]): Waiting | undefined {
  const { operation, ahead } = details;
  if (operation.stage !== Stage.Queued) return undefined;
  const bots = { idle: 0, busy: 0, draining: 0 };
  for (const bot of fleet) if (fits(bot.offered, operation.platformKey)) bots[bot.state] += 1;
  const message =
    sinceGiven(details) ?? unservedOf(platformOfKey(operation.platformKey), fleet)?.message ?? inQueue(details, bots);
  return { message, ahead, bots };
}

function sinceGiven({ isLeased, attempts }: JobDetails): string | undefined {
  if (!isLeased) return undefined;
  return `bot ${JSON.stringify(attempts.at(-1)?.botId)} was given it, and has not begun yet`;
}

function inQueue({ readyAtMs, asOfMs, ahead }: JobDetails, { idle, busy, draining }: Waiting['bots']): string {
  if (idle + busy === 0) return `${countOf(draining, 'bot fits, but gets', 'bots fit, but get')} nothing new`;
  if (readyAtMs > asOfMs) {
    return `it is tried again in ${Math.ceil((readyAtMs - asOfMs) / 1_000)} s, as the last attempt failed`;
  }
  const queue =
    ahead === 0 ? 'it goes next' : `${ahead}${ahead === maxAhead ? ' or more' : ''} of its platform go first`;
  if (idle > 0) return `${countOf(idle, 'bot that fits is', 'bots that fit are')} idle; ${queue}`;
  return `${busy === 1 ? 'the bot that fits is' : `all ${busy} bots that fit are`} busy; ${queue}`;
}

function countOf(count: number, one: string, many: string): string {
  return `${count} ${count === 1 ? one : many}`;
}
