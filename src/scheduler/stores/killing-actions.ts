import { rowsOf } from '../../sql/query-rows.js';
import type { SqlContext } from '../../sql/sql-table.js';
import { isKiller, type BotDeath, type KillingAction } from '../quarantine.js';
import { attemptsTable, type AttemptRow, type JobRow } from './job-tables.js';

/** The columns of `killing_actions` but for the key. */
export interface KillingActionRow {
  readonly attempts: number;
  /** {@link BotDeath} as JSON, in the order of time. */
  readonly deaths: string;
  readonly since_ms: number;
}

/** The Action behind a row. */
export function killingActionOf(row: KillingActionRow): KillingAction {
  return { attempts: row.attempts, deaths: JSON.parse(row.deaths) as BotDeath[], sinceMs: row.since_ms };
}

/**
 * Remembers the Actions of those of the Jobs that were given up because bots vanished with them. The attempts must be written
 * back already.
 */
export async function recordKillers(
  context: SqlContext & { readonly nowMs: number },
  jobs: readonly JobRow[],
): Promise<void> {
  if (jobs.length === 0) return;
  const rows = await attemptsTable.select(context, { column: 'job_id', values: jobs.map(({ id }) => id) });
  const killers = new Map<string, KillingActionRow>();
  for (const job of jobs) {
    const deaths = deathsOf(rows.filter((row) => row.job_id === job.id));
    if (!isKiller(job.attempts, deaths.length)) continue;
    const row = { attempts: job.attempts, deaths: JSON.stringify(deaths), since_ms: context.nowMs };
    killers.set(job.action_digest, row);
  }
  // In one order, so that no two controllers wait for each other in a ring.
  for (const [digest, row] of [...killers].sort(([left], [right]) => (left < right ? -1 : 1))) {
    await rowsOf(
      context.sql,
      `INSERT INTO killing_actions (action_digest, attempts, deaths, since_ms) VALUES (?, ?, ?, ?)
       ON CONFLICT (action_digest) DO UPDATE
       SET attempts = excluded.attempts, deaths = excluded.deaths, since_ms = excluded.since_ms`,
      [digest, row.attempts, row.deaths, row.since_ms],
    );
  }
}

function deathsOf(attempts: readonly AttemptRow[]): readonly BotDeath[] {
  return attempts
    .filter((attempt) => attempt.has_vanished)
    .map((attempt) => ({ botId: attempt.bot_id, atMs: attempt.ended_at_ms ?? 0 }))
    .sort((left, right) => left.atMs - right.atMs);
}
