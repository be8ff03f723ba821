import { randomBytes } from 'node:crypto';
import type { Dialect } from '../../sql/dialect.js';
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
 * The most urgent of the Jobs that wait for a platform and that nobody else has locked, now locked: a look at the head of its
 * queue, whose cost does not grow with the length. Takes the platform, the time now, a bot's id, and the time before which
 * that one is avoided.
 */
export function headQuery({ lockFreeRows }: Dialect): string {
  return `
    SELECT id, priority, seq FROM jobs
    WHERE ${isWaiting} AND platform_key = ? AND ready_at_ms <= ?
      AND (avoided_bot_id IS NULL OR avoided_bot_id <> ? OR ready_at_ms <= ?)
    ORDER BY priority, seq LIMIT 1 ${lockFreeRows}`;
}

/** Gives a session the most urgent Job that it fits: returns the id of the Lease, PENDING. */
export async function claimJob(transaction: JobTransaction, session: SessionRow): Promise<string | undefined> {
  const { sql } = transaction;
  const [job] = (await headsFor(transaction, session)).sort((a, b) => a.priority - b.priority || a.seq - b.seq);
  if (!job) return undefined;
  // Unguessable: who knows the id may report on the Job (S5).
  const leaseId = randomBytes(16).toString('hex');
  await sql('jobs').where({ id: job.id }).update({ lease_id: leaseId });
  await sql('leases').insert({
    id: leaseId,
    job_id: job.id,
    session_name: session.name,
    state: LeaseState.Pending,
    is_reported: false,
    offers: 1,
  });
  return leaseId;
}

type Head = Pick<JobRow, 'id' | 'priority' | 'seq'>;

/** The heads of the queues that a session fits. */
async function headsFor({ sql, dialect, nowMs }: JobTransaction, session: SessionRow): Promise<Head[]> {
  const offered = offeredOf(session);
  const found = await sql.raw<{ platform_key: string }[]>(platformsQuery);
  const keys = found.map(({ platform_key: key }) => key).filter((key) => fits(offered, key));
  if (keys.length === 0) return [];
  const heads = keys.map((_key, index) => `SELECT * FROM (${headQuery(dialect)}) AS head_${index}`);
  const bindings = keys.flatMap((key) => [key, nowMs, session.bot_id, nowMs - avoidedForMs]);
  return sql.raw<Head[]>(heads.join(' UNION ALL '), bindings);
}
