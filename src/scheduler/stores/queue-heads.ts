import { rowsOf } from '../../sql/query-rows.js';
import type { SqlContext } from '../../sql/sql-table.js';
import type { QueueHead } from '../claim-order.js';
import type { Rank } from '../rank.js';
import { isWaiting } from './job-schema.js';
import type { JobTransaction } from './job-transaction.js';

/** A Job that waits, as far as its order goes. */
export interface WaitingJob extends QueueHead {
  readonly id: string;
  readonly flowKey: string;
  readonly priority: number;
  place: Rank;
}

/** What a bot may be given. */
export interface HeadsQuery {
  readonly platformKeys: readonly string[];
  /** How many of each platform. */
  readonly limit: number;
  /** Leaves out the Jobs for which others than this bot go first. */
  readonly avoidedBotId: string | undefined;
}

/** For so long after a Job may be tried again, bots other than the one that failed with it go first. */
const avoidedForMs = 10_000;

/** SQLite takes no more than 500 parts of one statement. */
const maxParts = 100;

interface HeadRow {
  readonly id: string;
  readonly seq: number;
  readonly platform_key: string;
  readonly flow_key: string;
  readonly affinity_key: string | null;
  readonly priority: number;
  readonly rank: number;
  readonly finish: number;
  readonly queued_at_ms: number;
}

/** The platforms that waiting Jobs ask for: a step from one to the next in the index, however many Jobs each has. */
const platformsQuery = `
  WITH RECURSIVE platforms(platform_key) AS (
    SELECT min(platform_key) FROM jobs WHERE ${isWaiting}
    UNION ALL
    SELECT (SELECT min(platform_key) FROM jobs WHERE ${isWaiting} AND platform_key > platforms.platform_key)
    FROM platforms WHERE platform_key IS NOT NULL
  )
  SELECT platform_key FROM platforms WHERE platform_key IS NOT NULL`;

const columnNames = [
  'id',
  'seq',
  'platform_key',
  'flow_key',
  'affinity_key',
  'priority',
  'rank',
  'finish',
  'queued_at_ms',
] as const satisfies readonly (keyof HeadRow)[];

const columns = columnNames.join(', ');

const isReady = `${isWaiting} AND platform_key = ? AND ready_at_ms <= ?`;

const isNotAvoided = ' AND (avoided_bot_id IS NULL OR avoided_bot_id <> ? OR ready_at_ms <= ?)';

/** The first Jobs of a platform's queue: a look at its head, whose cost does not grow with its length. */
export const headsQuery = `SELECT ${columns} FROM jobs WHERE ${isReady} ORDER BY rank, seq LIMIT ?`;

/** The most urgent and oldest Jobs of a flow. */
export const flowQuery = `SELECT ${columns} FROM jobs WHERE ${isReady} AND flow_key = ? ORDER BY priority, seq LIMIT ?`;

/** The platforms that waiting Jobs ask for. */
export async function loadPlatforms({ sql }: SqlContext): Promise<string[]> {
  const rows = await rowsOf<{ platform_key: string }>(sql, platformsQuery);
  return rows.map(({ platform_key: platformKey }) => platformKey);
}

/** Those of the bots for which there are Jobs that others go first with. */
export async function loadAvoided({ sql, dialect, nowMs }: JobTransaction, botIds: string[]): Promise<Set<string>> {
  const { text: isOurs, bindings } = dialect.isIn('avoided_bot_id', botIds);
  const rows = await rowsOf<{ bot_id: string }>(
    sql,
    `SELECT DISTINCT avoided_bot_id AS bot_id FROM jobs
     WHERE ${isWaiting} AND avoided_bot_id IS NOT NULL
       AND ${isOurs} AND ready_at_ms > ?`,
    [...bindings, nowMs - avoidedForMs],
  );
  return new Set(rows.map(({ bot_id: botId }) => botId));
}

/** The first Jobs of each platform. */
export function loadHeads(transaction: JobTransaction, query: HeadsQuery): Promise<WaitingJob[]> {
  const { nowMs } = transaction;
  const avoided = avoidance(transaction, query);
  const text = headsQuery.replace(' ORDER BY', `${avoided.text} ORDER BY`);
  return loadParts(
    transaction,
    text,
    query.platformKeys.map((key) => [key, nowMs, ...avoided.bindings, query.limit]),
  );
}

/** The most urgent and oldest Jobs of the flows of `heads`, as many of each as are among them. */
export function loadFlows(
  transaction: JobTransaction,
  heads: readonly WaitingJob[],
  query: HeadsQuery,
): Promise<WaitingJob[]> {
  const { nowMs } = transaction;
  const avoided = avoidance(transaction, query);
  const flows = new Map<string, { readonly head: WaitingJob; count: number }>();
  for (const head of heads) {
    const key = flowKeyOf(head);
    const flow = flows.get(key) ?? { head, count: 0 };
    flow.count += 1;
    flows.set(key, flow);
  }
  const text = flowQuery.replace(' ORDER BY', `${avoided.text} ORDER BY`);
  return loadParts(
    transaction,
    text,
    [...flows.values()].map(({ head, count }) => [head.platformKey, nowMs, head.flowKey, ...avoided.bindings, count]),
  );
}

/** One text for the Jobs of one flow on one platform. */
export function flowKeyOf({ platformKey, flowKey }: Pick<WaitingJob, 'platformKey' | 'flowKey'>): string {
  return JSON.stringify([platformKey, flowKey]);
}

function avoidance({ nowMs }: JobTransaction, { avoidedBotId }: HeadsQuery): { text: string; bindings: unknown[] } {
  if (avoidedBotId === undefined) return { text: '', bindings: [] };
  return { text: isNotAvoided, bindings: [avoidedBotId, nowMs - avoidedForMs] };
}

/** The rows of one query with one list of bindings after the other. */
async function loadParts(
  { sql, dialect }: JobTransaction,
  query: string,
  parts: readonly (readonly unknown[])[],
): Promise<WaitingJob[]> {
  const found: WaitingJob[] = [];
  for (let at = 0; at < parts.length; at += maxParts) {
    const some = parts.slice(at, at + maxParts);
    const text = some.map((_part, index) => `SELECT * FROM (${query}) AS part_${index}`).join(' UNION ALL ');
    const rows = await dialect.select<HeadRow>(sql, columnNames, { text, bindings: some.flat() });
    for (const row of rows) found.push(waitingJobOf(row));
  }
  return found;
}

function waitingJobOf(row: HeadRow): WaitingJob {
  const { rank, finish } = row;
  return {
    id: row.id,
    seq: row.seq,
    platformKey: row.platform_key,
    flowKey: row.flow_key,
    ...(row.affinity_key !== null && { affinityKey: row.affinity_key }),
    priority: row.priority,
    queuedAtMs: row.queued_at_ms,
    place: { rank, finish },
    get rank() {
      return this.place.rank;
    },
  };
}
