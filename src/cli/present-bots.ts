import type { BotLeaseSummary, BotSummary } from '../client/bot-summary.js';
import { presentAge } from './present-age.js';
import { presentTable } from './present-table.js';

/** A line for each bot. */
export function presentBots(bots: readonly BotSummary[], width?: number): string {
  const rows = bots.map((bot) => {
    const { botId, session = '', expiresInSeconds, lease } = bot;
    return [
      botId,
      statusOf(bot),
      lease ? presentAge(lease.forSeconds) : '',
      expiresInSeconds === undefined ? '' : presentAge(expiresInSeconds),
      lease ? workOf(lease) : '',
      propertiesOf(bot),
      session,
    ];
  });
  return presentTable(['BOT', 'STATUS', 'BUSY', 'EXPIRES', 'WORKS ON', 'PROPERTIES', 'SESSION'], rows, width);
}

function statusOf({ status, session, lease }: BotSummary): string {
  if (session === undefined) return `${status}, away`;
  return lease && status !== 'accepting' ? `${status}, busy` : status;
}

function workOf({ operation, actionDigest, calledOff }: BotLeaseSummary): string {
  const work = operation ?? actionDigest ?? '';
  return calledOff ? `${work} (to stop)` : work;
}

function propertiesOf({ properties, wildcards }: BotSummary): string {
  return [...properties.map(({ name, value }) => `${name}=${value}`), ...wildcards.map((name) => `${name}=*`)].join(
    ' ',
  );
}
