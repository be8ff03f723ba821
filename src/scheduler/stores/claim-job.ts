import { randomBytes } from 'node:crypto';
import { fits } from '../platform.js';
import { LeaseState } from '../lease.js';
import { isWaiting } from './job-schema.js';
import type { JobRow, JobTransaction } from './job-transaction.js';
import { offeredOf, type SessionRow } from './session-rows.js';

/** For so long after a Job may be tried again, bots other than the one that failed with it go first. */
const avoidedForMs = 10_000;

/** Steps from one platform to the next in the index: the Jobs of each are passed over, however many they are. */
const platforms = `
  platforms(platform_key) AS (
    SELECT min(platform_key) FROM jobs WHERE ${isWaiting}
    UNION ALL
    SELECT (SELECT min(platform_key) FROM jobs WHERE ${isWaiting} AND platform_key > platforms.platform_key)
    FROM platforms WHERE platform_key IS NOT NULL
  )`;

/** The platforms that waiting Jobs ask for. */
export const platformsQuery = `
  WITH RECURSIVE ${platforms} SELECT platform_key FROM platforms WHERE platform_key IS NOT NULL`;

/**
 * The most urgent of the Jobs that wait for each platform, by its key: a walk over the heads of the queues, whose cost
 * does not grow with their lengths. Takes the time now, a bot's id, and the time before which it is avoided.
 */
export const headsQuery = `
  WITH RECURSIVE ${platforms}
  SELECT jobs.seq, jobs.id, jobs.platform_key, jobs.priority
  FROM platforms JOIN jobs ON jobs.seq = (
    SELECT seq FROM jobs
    WHERE ${isWaiting} AND platform_key = platforms.platform_key AND ready_at_ms <= ?
      AND (avoided_bot_id IS NULL OR avoided_bot_id <> ? OR ready_at_ms <= ?)
    ORDER BY priority, seq LIMIT 1)
  ORDER BY jobs.priority, jobs.seq`;

/** Gives a session the most urgent Job that it fits: returns the id of the Lease, PENDING. */
export async function claimJob(transaction: JobTransaction, session: SessionRow): Promise<string | undefined> {
  const { sql, nowMs } = transaction;
  const offered = offeredOf(session);
  const heads = await sql.raw<Pick<JobRow, 'id' | 'platform_key'>[]>(headsQuery, [
    nowMs,
    session.bot_id,
    nowMs - avoidedForMs,
  ]);
  // Unguessable: who knows the id may report on the Job (S5).
  const leaseId = randomBytes(16).toString('hex');
  for (const { id, platform_key: platformKey } of heads) {
    if (!fits(offered, platformKey)) continue;
    const changed = await sql('jobs').where({ id }).whereRaw(isWaiting).update({ lease_id: leaseId });
    if (changed === 0) continue;
    await sql('leases').insert({
      id: leaseId,
      job_id: id,
      session_name: session.name,
      state: LeaseState.Pending,
      is_reported: false,
      offers: 1,
    });
    return leaseId;
  }
  return undefined;
}
