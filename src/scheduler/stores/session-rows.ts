import { Digest } from '../../digest/digest.js';
import type { Session, SessionLease } from '../job-store.js';
import { LeaseState } from '../lease.js';
import type { OfferedProperties } from '../platform.js';
import type { LeaseRow, SessionRow } from './job-tables.js';
import type { JobTransaction } from './job-transaction.js';

/** What is asked of a session on behalf of its bot's call. */
export interface SessionCall {
  readonly sessionName: string;
  /** As the session was told to its bot: if it has gone on, the call comes too late. */
  readonly revision: number;
  readonly keepaliveMs: number;
}

/** Why a session is over, as its bot reads it; and what the clients of its Jobs read. */
export interface Closing {
  readonly because: string;
  readonly lost: string;
  /** Whether the bot was gone, without a word. */
  readonly hasVanished?: boolean;
}

/** The session as its bot is told. */
export function presentSession(transaction: JobTransaction, row: SessionRow): Session {
  const leases = transaction.leasesOf(row.name).map((lease) => sessionLeaseOf(transaction, lease));
  return {
    name: row.name,
    revision: row.revision,
    isDrained: row.is_drained,
    expiresAtMs: row.expires_at_ms,
    affinityKey: row.affinity_key ?? undefined,
    leases,
  };
}

/** Ends a session whose Leases are loaded. Its bot is gone, or not to be believed: its Leases are lost. */
export function closeSession(transaction: JobTransaction, session: SessionRow, closing: Closing): void {
  const { because, lost, hasVanished = false } = closing;
  for (const lease of transaction.leasesOf(session.name)) {
    if (lease.state === LeaseState.Cancelled) transaction.leases.remove(lease);
    else transaction.putBack(lease, { outcome: 'lost', error: lost, hasVanished });
  }
  transaction.sessions.change(session, { closed_because: because, closed_at_ms: transaction.nowMs });
  transaction.events.push({ type: 'session', sessionName: session.name });
}

/** The Lease behind a row. */
export function sessionLeaseOf({ jobs }: JobTransaction, row: LeaseRow): SessionLease {
  return {
    id: row.id,
    state: row.state,
    isReported: row.is_reported,
    offers: row.offers,
    actionDigest: Digest.parse(jobs.get(row.job_id)?.action_digest ?? ''),
  };
}

/** What the bot of a session offers. */
export function offeredOf({ offered }: Pick<SessionRow, 'offered'>): OfferedProperties {
  return JSON.parse(offered) as OfferedProperties;
}

/** A bot, as the clients of its Jobs read of it. */
export function ofBot(botId: string, error: string): string {
  return `bot ${JSON.stringify(botId)}: ${error}`;
}
