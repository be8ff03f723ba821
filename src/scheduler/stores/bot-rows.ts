import { rowsOf } from '../../sql/query-rows.js';
import type { SqlContext } from '../../sql/sql-table.js';
import { Digest } from '../../digest/digest.js';
import type { BotDetails, BotLease, BotsQuery, FleetBot } from '../job-inspection.js';
import { LeaseState } from '../lease.js';
import type { LeaseRow, SessionRow } from './job-tables.js';
import { offeredOf } from './session-rows.js';

interface BotRow {
  readonly bot_id: string;
  /** `null` as all that is about the session, if the bot is not connected. */
  readonly name: string | null;
  readonly is_accepting: number | boolean;
  readonly is_drained: number | boolean;
  readonly offered: string;
  readonly expires_at_ms: number;
  /** `null` as all that is about the Lease, if the bot has none. */
  readonly lease_state: LeaseRow['state'] | null;
  readonly action_digest: string;
  readonly operation_id: string | null;
  readonly leased_at_ms: number;
  readonly started_at_ms: number | null;
}

/** The bots of one instance by their ids, also those that are drained and not connected. */
const botsQuery = `
  SELECT bots.*, leases.state AS lease_state, jobs.action_digest, attempts.leased_at_ms, attempts.started_at_ms,
    (SELECT operations.id FROM operations
     WHERE operations.job_id = leases.job_id AND operations.instance_name = ? AND operations.cancelled_at_ms IS NULL
     ORDER BY operations.seq LIMIT 1) AS operation_id
  FROM (
    SELECT bot_id, name, is_accepting, is_drained, offered, expires_at_ms FROM bot_sessions
    WHERE parent = ? AND closed_because IS NULL AND bot_id > ?
    UNION ALL
    SELECT bot_id, NULL, true, true, NULL, NULL FROM drained_bots
    WHERE parent = ? AND bot_id > ? AND NOT EXISTS (
      SELECT name FROM bot_sessions
      WHERE parent = drained_bots.parent AND bot_id = drained_bots.bot_id AND closed_because IS NULL)
    ORDER BY bot_id LIMIT ?
  ) AS bots
  LEFT JOIN leases ON leases.session_name = bots.name
  LEFT JOIN jobs ON jobs.id = leases.job_id
  LEFT JOIN attempts ON attempts.lease_id = leases.id
  ORDER BY bots.bot_id`;

/** The bots of one instance. */
export async function loadBots(
  { sql }: SqlContext,
  { parent, afterBotId, limit }: BotsQuery,
): Promise<readonly BotDetails[]> {
  const bindings = [parent, parent, afterBotId, parent, afterBotId, limit];
  return (await rowsOf<BotRow>(sql, botsQuery, bindings)).map(botOf);
}

/** The connected bots of all instances. */
export async function loadFleet({ sql }: SqlContext): Promise<readonly FleetBot[]> {
  const rows = await rowsOf<
    Pick<SessionRow, 'bot_id' | 'name' | 'offered' | 'is_accepting' | 'is_drained'> & { readonly is_busy: unknown }
  >(
    sql,
    `SELECT bot_id, name, offered, is_accepting, is_drained,
       EXISTS (SELECT id FROM leases WHERE leases.session_name = bot_sessions.name) AS is_busy
     FROM bot_sessions WHERE closed_because IS NULL`,
  );
  return rows.map((row) => {
    const takesWork = row.is_accepting && !row.is_drained;
    const state = row.is_busy ? 'busy' : 'idle';
    return {
      botId: row.bot_id,
      sessionName: row.name,
      offered: offeredOf(row),
      state: takesWork ? state : 'draining',
    };
  });
}

function botOf(row: BotRow): BotDetails {
  const { bot_id: botId, name } = row;
  const isDrained = Boolean(row.is_drained);
  if (name === null) return { botId, isDrained };
  const lease = leaseOf(row);
  return {
    botId,
    isDrained,
    session: {
      name,
      offered: offeredOf(row),
      isAccepting: Boolean(row.is_accepting),
      expiresAtMs: row.expires_at_ms,
      ...(lease && { lease }),
    },
  };
}

function leaseOf(row: BotRow): BotLease | undefined {
  if (row.lease_state === null) return undefined;
  return {
    actionDigest: Digest.parse(row.action_digest),
    leasedAtMs: row.leased_at_ms,
    isCalledOff: row.lease_state === LeaseState.Cancelled,
    ...(row.operation_id !== null && { operationId: row.operation_id }),
    ...(row.started_at_ms !== null && { startedAtMs: row.started_at_ms }),
  };
}
