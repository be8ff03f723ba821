import { createHash } from 'node:crypto';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { BotDetails, BotList, JobInspection } from './job-inspection.js';
import { pageSizeOf } from './operation-pages.js';
import { unmetBy, type Platform } from './platform.js';

/** What is asked of a list of bots. */
export interface BotListRequest {
  readonly instanceName: string;
  /** Only bots that could take an Action that asks for these. */
  readonly properties: Platform;
  /** 0 is the server's choice. */
  readonly pageSize: number;
  /** What the last page told, or empty for the first. */
  readonly pageToken: string;
}

/** One page. */
export interface BotPage extends BotList {
  /** Empty at the end. */
  readonly nextPageToken: string;
}

/** How many bots are looked at in one go when only some are wanted. */
const scanned = 1_000;

/** Loads one page, in the order of the bots' ids. Throws INVALID_ARGUMENT for a size or a token that cannot be. */
export async function loadBotPage(inspection: Pick<JobInspection, 'bots'>, request: BotListRequest): Promise<BotPage> {
  const { instanceName, properties } = request;
  const size = pageSizeOf(request);
  const limit = properties.length === 0 ? size + 1 : scanned;
  const found: BotDetails[] = [];
  for (let afterBotId = startOf(request); ;) {
    const { bots, asOfMs } = await inspection.bots({ parent: instanceName, afterBotId, limit });
    found.push(...bots.filter((bot) => isWanted(bot, properties)));
    const last = bots.at(-1);
    if (found.length > size || !last || bots.length < limit) return pageOf(found, { asOfMs, size, request });
    afterBotId = last.botId;
  }
}

interface Cut {
  readonly asOfMs: number;
  readonly size: number;
  readonly request: BotListRequest;
}

function pageOf(found: readonly BotDetails[], { asOfMs, size, request }: Cut): BotPage {
  const bots = found.slice(0, size);
  const last = bots.at(-1);
  const goesOn = last !== undefined && found.length > size;
  return { asOfMs, bots, nextPageToken: goesOn ? tokenOf(last.botId, request) : '' };
}

function isWanted({ session }: BotDetails, properties: Platform): boolean {
  if (properties.length === 0) return true;
  return session !== undefined && unmetBy(session.offered, properties).length === 0;
}

function startOf(request: BotListRequest): string {
  const { pageToken } = request;
  if (pageToken === '') return '';
  const botId = Buffer.from(pageToken.split('.')[0] ?? '', 'base64url').toString();
  if (tokenOf(botId, request) === pageToken) return botId;
  throw new StatusError(
    Code.InvalidArgument,
    'The page token belongs to another list: repeat instance and properties as they were, or begin without a token',
  );
}

function tokenOf(botId: string, { instanceName, properties }: BotListRequest): string {
  const pairs = properties.map(({ name, value }) => [name, value]);
  const scope = createHash('sha256')
    .update(JSON.stringify([botId, instanceName, pairs]))
    .digest('base64url')
    .slice(0, 16);
  return `${Buffer.from(botId).toString('base64url')}.${scope}`;
}
