import { Digest } from '../../digest/digest.js';
import type { Session, SessionLease } from '../job-store.js';
import { LeaseState } from '../lease.js';
import type { OfferedProperties } from '../platform.js';
import type { JobTransaction } from './job-transaction.js';

/** A row of `bot_sessions`. */
export interface SessionRow {
  readonly name: string;
  readonly bot_id: string;
  readonly revision: number;
  readonly is_accepting: number | boolean;
  /** {@link OfferedProperties} as JSON. */
  readonly offered: string;
  readonly expires_at_ms: number;
  readonly closed_because: string | null;
}

/** A row of `leases`, with what its Job adds. */
export interface LeaseRow {
  readonly id: string;
  readonly job_id: string;
  readonly state: SessionLease['state'];
  readonly is_reported: number | boolean;
  readonly offers: number;
  readonly action_digest: string;
}

/** Why a session is over, as its bot reads it; and what the clients of its Jobs read. */
export interface Closing {
  readonly because: string;
  readonly lost: string;
}

/** Returns a session that is open, and at `revision` if one is given. */
export async function openSession(
  { sql }: JobTransaction,
  name: string,
  revision?: number,
): Promise<SessionRow | undefined> {
  return sql('bot_sessions')
    .where({ name, closed_because: null, ...(revision !== undefined && { revision }) })
    .forUpdate()
    .first<SessionRow | undefined>();
}

/** The Leases of a session, those that are called off included; their Jobs are locked. */
export async function leasesOf({ sql }: JobTransaction, sessionName: string): Promise<LeaseRow[]> {
  const held = sql('leases').where({ session_name: sessionName }).select('job_id');
  // Rows that were waited for are read anew only in the next statement.
  await sql('jobs').whereIn('id', held).orderBy('seq').forUpdate().select('seq');
  return sql('leases')
    .join('jobs', 'jobs.id', 'leases.job_id')
    .where('leases.session_name', sessionName)
    .select<LeaseRow[]>('leases.*', 'jobs.action_digest');
}

/** The session as its bot is told. */
export async function presentSession(transaction: JobTransaction, row: SessionRow): Promise<Session> {
  const leases = await leasesOf(transaction, row.name);
  return { name: row.name, revision: row.revision, expiresAtMs: row.expires_at_ms, leases: leases.map(sessionLeaseOf) };
}

/** Ends a session. Its bot is gone, or not to be believed: its Leases are lost. */
export async function closeSession(
  transaction: JobTransaction,
  { name }: SessionRow,
  { because, lost }: Closing,
): Promise<void> {
  const { sql, nowMs, events } = transaction;
  for (const lease of await leasesOf(transaction, name)) {
    if (lease.state === LeaseState.Cancelled) await sql('leases').where({ id: lease.id }).delete();
    else await transaction.putBack(lease, { error: lost });
  }
  await sql('bot_sessions').where({ name }).update({ closed_because: because, closed_at_ms: nowMs });
  events.push({ type: 'session', sessionName: name });
}

/** The Lease behind a row. */
export function sessionLeaseOf(row: LeaseRow): SessionLease {
  return {
    id: row.id,
    state: row.state,
    isReported: Boolean(row.is_reported),
    offers: row.offers,
    actionDigest: Digest.parse(row.action_digest),
  };
}

/** What the bot of a session offers. */
export function offeredOf({ offered }: Pick<SessionRow, 'offered'>): OfferedProperties {
  return JSON.parse(offered) as OfferedProperties;
}
