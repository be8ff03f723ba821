import { randomBytes } from 'node:crypto';
import type { Session } from '../job-store.js';
import { LeaseState } from '../lease.js';
import { fits } from '../platform.js';
import { matchClaims, type Claimant, type Pick } from './claim-match.js';
import { isWaitingRow, type JobTransaction } from './job-transaction.js';
import type { JobRow, SessionRow } from './job-tables.js';
import { loadAvoided, loadFlows, loadHeads, loadPlatforms, type WaitingJob } from './queue-heads.js';
import { offeredOf, presentSession, type SessionCall } from './session-rows.js';

/** So long others may take to decide what becomes of a Job that they have locked. */
const lockedMs = 50;

/** Gives sessions without a Lease the Jobs that come first and fit, each another one, and a new deadline. */
export async function claimAll(
  transaction: JobTransaction,
  calls: readonly SessionCall[],
): Promise<Map<SessionCall, Session | undefined>> {
  const names = calls.map(({ sessionName }) => sessionName);
  await transaction.lockSessions(names);
  await transaction.loadLeases(names);
  const takers = new Map<SessionRow, SessionCall>();
  for (const call of calls) {
    const session = takerOf(transaction, call);
    // Of two calls of a session the first one gets it.
    if (session && !takers.has(session)) takers.set(session, call);
  }
  await giveJobs(transaction, [...takers.keys()]);
  const outcomes = new Map<SessionCall, Session | undefined>(calls.map((call) => [call, undefined]));
  for (const [session, call] of takers) {
    if (transaction.leasesOf(session.name).length === 0) continue;
    transaction.sessions.change(session, { expires_at_ms: transaction.nowMs + call.keepaliveMs });
    outcomes.set(call, presentSession(transaction, session));
  }
  return outcomes;
}

/** The session of a call, if it may be given a Job: one Lease a session (RW-12). */
function takerOf(transaction: JobTransaction, { sessionName, revision }: SessionCall): SessionRow | undefined {
  const session = transaction.openSession(sessionName, revision);
  if (!session?.is_accepting || session.is_drained || session.expires_at_ms <= transaction.nowMs) return undefined;
  return transaction.leasesOf(sessionName).length === 0 ? session : undefined;
}

async function giveJobs(transaction: JobTransaction, sessions: readonly SessionRow[]): Promise<void> {
  if (sessions.length === 0) return;
  const demanded = await loadPlatforms(transaction);
  const fitting = new Map<string, ReadonlySet<string>>();
  const claimants: Claimant[] = [];
  for (const session of sessions) {
    const { offered } = session;
    const platformKeys = fitting.get(offered) ?? new Set(demanded.filter((key) => fits(offeredOf(session), key)));
    fitting.set(offered, platformKeys);
    if (platformKeys.size > 0) claimants.push({ session, platformKeys });
  }
  if (claimants.length === 0) return;
  const avoided = await loadAvoided(
    transaction,
    claimants.map(({ session }) => session.bot_id),
  );
  const isAvoided = ({ session }: Claimant): boolean => avoided.has(session.bot_id);
  await giveTo(
    transaction,
    claimants.filter((claimant) => !isAvoided(claimant)),
  );
  // For each of these other Jobs are the first.
  for (const claimant of claimants.filter(isAvoided)) {
    await transaction.jobs.flush(transaction);
    await giveTo(transaction, [claimant], claimant.session.bot_id);
  }
}

/** Looks at the queues and locks what was chosen, again while others were quicker and there is more. */
async function giveTo(
  transaction: JobTransaction,
  claimants: readonly Claimant[],
  avoidedBotId?: string,
): Promise<void> {
  const lost = new Set<string>();
  for (let open = claimants; open.length > 0;) {
    const platformKeys = [...new Set(open.flatMap(({ platformKeys: keys }) => [...keys]))];
    const perPlatform = Math.max(2, Math.ceil((2 * open.length) / platformKeys.length));
    const limit = Math.min(open.length, perPlatform) + lost.size;
    const query = { platformKeys, limit, avoidedBotId };
    const isFree = ({ id }: WaitingJob): boolean => !lost.has(id);
    const found = await loadHeads(transaction, query);
    const heads = found.filter(isFree);
    if (heads.length === 0) {
      lookAgain(transaction, found);
      return;
    }
    const inFlows = (await loadFlows(transaction, heads, query)).filter(isFree);
    const { nowMs } = transaction;
    const { picks, undecided } = matchClaims(open, { heads, inFlows, truncated: truncatedOf(found, limit), nowMs });
    const missed = await lease(transaction, picks, lost);
    open = [...missed, ...undecided];
    if (open.length > 0) await transaction.jobs.flush(transaction);
  }
}

/** Others have these Jobs locked at this moment, and may leave them: a bot looks again, for nobody else tells of them. */
function lookAgain({ ownEvents }: JobTransaction, locked: readonly WaitingJob[]): void {
  const platformKeys = new Set(locked.map(({ platformKey }) => platformKey));
  for (const platformKey of platformKeys) ownEvents.push({ type: 'queued', platformKey, delayMs: lockedMs });
}

function truncatedOf(found: readonly WaitingJob[], limit: number): Set<string> {
  const counts = new Map<string, number>();
  for (const { platformKey } of found) counts.set(platformKey, (counts.get(platformKey) ?? 0) + 1);
  return new Set([...counts].filter(([, count]) => count >= limit).map(([key]) => key));
}

/** Leases what was picked, as far as nobody else has it. Returns who got nothing; notes in `lost` what others have. */
async function lease(
  transaction: JobTransaction,
  picks: readonly Pick[],
  lost: Set<string>,
): Promise<readonly Claimant[]> {
  const wanted = picks.flatMap(({ job, left }) => [job.id, ...(left ? [left.job.id] : [])]);
  // Whether they wait is asked here: the index of what waits would be walked through for it.
  const locked = await transaction.lockJobs({ column: 'id', values: wanted, lock: 'free' });
  const rows = new Map(locked.filter(isWaitingRow).map((row) => [row.id, row]));
  // The places of the picks behind one that fails may have come from it.
  const spoiled = new Set<string>();
  const missed: Claimant[] = [];
  for (const pick of picks) {
    const { job, place, left } = pick;
    const ids = [job.id, ...(left ? [left.job.id] : [])];
    const row = rows.get(job.id);
    for (const id of ids) if (!rows.has(id)) lost.add(id);
    if (!row || ids.some((id) => spoiled.has(id) || !rows.has(id))) {
      for (const id of ids) spoiled.add(id);
      missed.push(pick.claimant);
      continue;
    }
    const leftRow = left && rows.get(left.job.id);
    if (leftRow) transaction.jobs.change(leftRow, left.place);
    transaction.jobs.change(row, place);
    addLease(transaction, row, pick.claimant.session);
  }
  return missed;
}

function addLease(transaction: JobTransaction, job: JobRow, session: SessionRow): void {
  const { nowMs } = transaction;
  // Unguessable: who knows the id may report on the Job (S5).
  const id = randomBytes(16).toString('hex');
  transaction.jobs.change(job, { lease_id: id, leased_at_ms: nowMs });
  const ids = { job_id: job.id, session_name: session.name };
  transaction.leases.add({ ...ids, id, state: LeaseState.Pending, is_reported: false, offers: 1 });
  transaction.attempts.add({
    ...ids,
    lease_id: id,
    number: job.attempts + 1,
    bot_id: session.bot_id,
    leased_at_ms: nowMs,
    started_at_ms: null,
    ended_at_ms: null,
    outcome: null,
    error: null,
  });
  if (job.affinity_key !== session.affinity_key)
    transaction.sessions.change(session, { affinity_key: job.affinity_key });
}
