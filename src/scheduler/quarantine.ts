import { Code } from '../common/code.js';
import { failureResponse } from './execute-responses.js';

/** A bot that vanished while it had an Action. */
export interface BotDeath {
  readonly botId: string;
  readonly atMs: number;
}

/** What an Action did to the bots that had it, by the time it was given up. */
export interface KillingAction {
  readonly attempts: number;
  readonly deaths: readonly BotDeath[];
  /** When it was given up. */
  readonly sinceMs: number;
}

/**
 * Whether an Action is to blame for bots that vanished in `deaths` of its attempts: in most of them. Once or twice is more likely
 * a machine's own trouble, and what bots report as failed has killed none of them.
 */
export function isKiller(attempts: number, deaths: number): boolean {
  return deaths * 2 > attempts;
}

/** The end of a Job that is not begun, because its Action would most likely kill more bots (U3). */
export function quarantinedResponse({ attempts, deaths, sinceMs }: KillingAction, quarantineMs: number): Uint8Array {
  const bots = deaths.map(({ botId, atMs }) => `${JSON.stringify(botId)} at ${timeOf(atMs)}`);
  return failureResponse(
    Code.FailedPrecondition,
    `The action was not executed, it is quarantined until ${timeOf(sinceMs + quarantineMs)}: in ${deaths.length} of its ` +
      `${attempts} attempts the bot vanished (${bots.join(', ')}). Perhaps it needs more memory than bots have: change ` +
      'the action or the bots; the same action is executed again after that time',
  );
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
