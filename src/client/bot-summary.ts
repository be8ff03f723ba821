import { bgdadmin } from '../proto/index.js';
import { millisecondsOf, type SecondsAndNanos } from '../proto/timestamp.js';
import { pairsOf } from './operation-history.js';
import { digestText, timeText } from './operation-summary.js';
import { textOf } from './text-of.js';

/** What a bot executes. */
export interface BotLeaseSummary {
  /** Undefined if nobody of this instance waits for it. */
  readonly operation: string | undefined;
  readonly actionDigest: string | undefined;
  /** ISO 8601, as the next one. */
  readonly leasedAt: string | undefined;
  /** Undefined before the bot has begun. */
  readonly startedAt: string | undefined;
  /** How long it has it. */
  readonly forSeconds: number;
  /** Whether it is to stop, and has not said yet that it has. */
  readonly calledOff: boolean;
}

/** A bot, as a `bgd` server tells of it. */
export interface BotSummary {
  readonly botId: string;
  /** `closed` by its own choice, `drained` by somebody else's. */
  readonly status: 'accepting' | 'closed' | 'drained' | 'unknown';
  /** Undefined if it is not connected, as all that follows. */
  readonly session: string | undefined;
  readonly properties: readonly { readonly name: string; readonly value: string }[];
  /** Names under which it takes any value. */
  readonly wildcards: readonly string[];
  /** When it counts as lost unless it reports. */
  readonly expiresInSeconds: number | undefined;
  readonly lease: BotLeaseSummary | undefined;
}

const statuses = new Map<number | null | undefined, BotSummary['status']>([
  [bgdadmin.Bot.Status.ACCEPTING, 'accepting'],
  [bgdadmin.Bot.Status.CLOSED, 'closed'],
  [bgdadmin.Bot.Status.DRAINED, 'drained'],
]);

/** Says in plain values what was told of a bot at `asOf`: only times of the server are compared. */
export function summariseBot(bot: bgdadmin.Bot.$Properties, asOf: SecondsAndNanos | null | undefined): BotSummary {
  const { botId, status, sessionName, properties, wildcards, expiresAt, lease } = bot;
  return {
    botId: botId ?? '',
    status: statuses.get(status) ?? 'unknown',
    session: textOf(sessionName),
    properties: pairsOf(properties),
    wildcards: wildcards ?? [],
    expiresInSeconds: expiresAt ? secondsBetween(asOf, expiresAt) : undefined,
    lease: lease ? leaseOf(lease, asOf) : undefined,
  };
}

function leaseOf(lease: bgdadmin.Bot.Lease.$Properties, asOf: SecondsAndNanos | null | undefined): BotLeaseSummary {
  const { actionDigest, digestFunction, operationName, leasedAt, startedAt, isCalledOff } = lease;
  return {
    operation: textOf(operationName),
    actionDigest: digestText(actionDigest, digestFunction ?? undefined),
    leasedAt: timeText(leasedAt),
    startedAt: timeText(startedAt),
    forSeconds: secondsBetween(leasedAt, asOf),
    calledOff: isCalledOff ?? false,
  };
}

function secondsBetween(start: SecondsAndNanos | null | undefined, end: SecondsAndNanos | null | undefined): number {
  return Math.max(0, (millisecondsOf(end) ?? 0) - (millisecondsOf(start) ?? 0)) / 1_000;
}
