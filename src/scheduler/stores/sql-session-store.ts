import { randomUUID } from 'node:crypto';
import { Code } from '../../common/code.js';
import { StatusError } from '../../common/status-error.js';
import { Digest } from '../../digest/digest.js';
import type { LeasedJob, NewSession, Session, SessionStore, SessionUpdate } from '../job-store.js';
import { LeaseState, decideLease, type LeaseDecision, type LeaseReport } from '../lease.js';
import { claimJob } from './claim-job.js';
import type { JobRow, JobTransaction, RunTransaction } from './job-transaction.js';
import {
  closeSession,
  leasesOf,
  openSession,
  presentSession,
  sessionLeaseOf,
  type LeaseRow,
  type SessionRow,
} from './session-rows.js';

/** The bots' half of a {@link SqlJobStore}. */
export class SqlSessionStore implements SessionStore {
  readonly #run: RunTransaction;

  constructor(run: RunTransaction) {
    this.#run = run;
  }

  open({ parent, botId, isAccepting, offered, keepaliveMs }: NewSession): Promise<Session> {
    return this.#run(async (transaction) => {
      const { sql, nowMs } = transaction;
      const last = await sql('bot_sessions')
        .where({ parent, bot_id: botId, closed_because: null })
        .forUpdate()
        .first<SessionRow | undefined>();
      if (last) await closeSession(transaction, last, replaced(botId));
      const name = parent === '' ? randomUUID() : `${parent}/${randomUUID()}`;
      await sql('bot_sessions').insert({
        name,
        parent,
        bot_id: botId,
        revision: 1,
        is_accepting: isAccepting,
        offered: JSON.stringify(offered),
        expires_at_ms: nowMs + keepaliveMs,
      });
      return { name, revision: 1, expiresAtMs: nowMs + keepaliveMs, leases: [] };
    });
  }

  async update(update: SessionUpdate): Promise<Session> {
    // A refusal is returned, not thrown: what it closes must be committed.
    const outcome = await this.#run((transaction) => applyUpdate(transaction, update));
    if (outcome instanceof StatusError) throw outcome;
    return outcome;
  }

  claim(sessionName: string, revision: number, keepaliveMs: number): Promise<Session | undefined> {
    return this.#run(async (transaction) => {
      const { sql, nowMs } = transaction;
      const session = await openSession(transaction, sessionName, revision);
      if (!session?.is_accepting || session.expires_at_ms <= nowMs) return undefined;
      // One Lease a session (RW-12).
      if ((await leasesOf(transaction, sessionName)).length > 0) return undefined;
      if ((await claimJob(transaction, session)) === undefined) return undefined;
      const expiresAtMs = nowMs + keepaliveMs;
      await sql('bot_sessions').where({ name: sessionName }).update({ expires_at_ms: expiresAtMs });
      return presentSession(transaction, { ...session, expires_at_ms: expiresAtMs });
    });
  }

  touch(sessionName: string, revision: number, keepaliveMs: number): Promise<Session | undefined> {
    return this.#run(async (transaction) => {
      const session = await openSession(transaction, sessionName, revision);
      if (!session) return undefined;
      const expiresAtMs = transaction.nowMs + keepaliveMs;
      await transaction.sql('bot_sessions').where({ name: sessionName }).update({ expires_at_ms: expiresAtMs });
      return presentSession(transaction, { ...session, expires_at_ms: expiresAtMs });
    });
  }

  hangUp(sessionName: string, revision: number, keepaliveMs: number): Promise<void> {
    return this.#run(async (transaction) => {
      const { sql, nowMs } = transaction;
      const session = await openSession(transaction, sessionName, revision);
      if (!session) return;
      for (const lease of await leasesOf(transaction, sessionName)) {
        if (lease.state === LeaseState.Pending && !lease.is_reported) await transaction.putBack(lease, {});
      }
      const expiresAtMs = Math.min(session.expires_at_ms, nowMs + keepaliveMs);
      await sql('bot_sessions').where({ name: sessionName }).update({ expires_at_ms: expiresAtMs });
    });
  }

  leasedJobs(sessionName: string, leaseIds: readonly string[]): Promise<readonly LeasedJob[]> {
    return this.#run(async ({ sql }) => {
      const rows = await sql('leases')
        .join('jobs', 'jobs.lease_id', 'leases.id')
        .where('leases.session_name', sessionName)
        .whereIn('leases.id', leaseIds)
        .select<Pick<JobRow, 'lease_id' | 'action_digest' | 'is_cacheable' | 'queued_at_ms'>[]>('jobs.*');
      return rows.map((row) => ({
        leaseId: row.lease_id ?? '',
        actionDigest: Digest.parse(row.action_digest),
        isCacheable: Boolean(row.is_cacheable),
        queuedAtMs: row.queued_at_ms,
      }));
    });
  }
}

async function applyUpdate(transaction: JobTransaction, update: SessionUpdate): Promise<Session | StatusError> {
  const { sql, nowMs } = transaction;
  const { name, botId, isAccepting, isLeaving, offered, keepaliveMs, reports } = update;
  const found = await sql('bot_sessions').where({ name }).forUpdate().first<SessionRow | undefined>();
  if (!found) return refusal(name, 'is not known here');
  if (found.closed_because !== null) return refusal(name, found.closed_because);
  if (found.bot_id !== botId) {
    await closeSession(transaction, found, misused(found.bot_id));
    return refusal(name, misused(found.bot_id).because);
  }
  await reconcile(transaction, found, { reports, isAccepting });
  const session = { ...found, revision: found.revision + 1, expires_at_ms: nowMs + keepaliveMs };
  await sql('bot_sessions')
    .where({ name })
    .update({
      revision: session.revision,
      expires_at_ms: session.expires_at_ms,
      is_accepting: isAccepting,
      offered: JSON.stringify(offered),
    });
  const presented = await presentSession(transaction, session);
  if (isLeaving && presented.leases.length === 0) await closeSession(transaction, session, left(botId));
  return presented;
}

/** Holds what the bot says against what the server knows, Lease by Lease. */
async function reconcile(
  transaction: JobTransaction,
  session: SessionRow,
  { reports, isAccepting }: Pick<SessionUpdate, 'reports' | 'isAccepting'>,
): Promise<void> {
  const byId = new Map<string, LeaseReport>(reports.map((report) => [report.id, report]));
  for (const lease of await leasesOf(transaction, session.name)) {
    const report = byId.get(lease.id);
    await apply(transaction, lease, { session, decision: decideLease(sessionLeaseOf(lease), report, isAccepting) });
  }
}

interface Decided {
  readonly session: SessionRow;
  readonly decision: LeaseDecision;
}

async function apply(transaction: JobTransaction, lease: LeaseRow, { session, decision }: Decided): Promise<void> {
  const row = transaction.sql('leases').where({ id: lease.id });
  switch (decision.kind) {
    case 'keep':
      if (!lease.is_reported) await row.update({ is_reported: true });
      return;
    case 'offer':
      await row.update({ offers: lease.offers + 1 });
      return;
    case 'activate':
      await row.update({ state: LeaseState.Active, is_reported: true });
      await transaction.begin(lease);
      return;
    case 'give-back':
      await transaction.putBack(lease, {});
      return;
    case 'lost':
      await transaction.putBack(lease, { error: ofBot(session.bot_id, decision.error), faultyBotId: session.bot_id });
      return;
    case 'finish':
      await finish(transaction, lease, { session, decision });
      return;
    case 'drop':
      await row.delete();
  }
}

async function finish(
  transaction: JobTransaction,
  lease: LeaseRow,
  { session, decision }: { session: SessionRow; decision: Extract<LeaseDecision, { kind: 'finish' }> },
): Promise<void> {
  const { verdict } = decision;
  if (verdict.kind === 'retry') {
    await transaction.putBack(lease, { error: ofBot(session.bot_id, verdict.error), faultyBotId: session.bot_id });
    return;
  }
  await transaction.complete(lease.job_id, verdict.response, lease.id);
  await transaction.sql('leases').where({ id: lease.id }).delete();
}

function ofBot(botId: string, error: string): string {
  return `bot ${JSON.stringify(botId)}: ${error}`;
}

function refusal(name: string, because: string): StatusError {
  return new StatusError(
    Code.InvalidArgument,
    `BotSession ${JSON.stringify(name)} ${because}; stop its work and create a new session`,
  );
}

const replaced = (botId: string) => ({
  because: `was replaced by a newer session of bot ${JSON.stringify(botId)}`,
  lost: ofBot(botId, 'it started anew while it had the lease'),
});

const misused = (botId: string) => ({
  because: `belongs to bot ${JSON.stringify(botId)}, and was ended because another bot used it`,
  lost: ofBot(botId, 'its session was used by another bot'),
});

const left = (botId: string) => ({ because: 'was ended by its bot', lost: ofBot(botId, 'it has left') });
