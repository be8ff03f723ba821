import { Code } from '../../common/code.js';
import { StatusError } from '../../common/status-error.js';
import type { Session, SessionUpdate } from '../job-store.js';
import { decideLease, type LeaseDecision, type LeaseReport } from '../lease.js';
import type { LeaseRow, SessionRow } from './job-tables.js';
import type { JobTransaction } from './job-transaction.js';
import { closeSession, ofBot, presentSession, sessionLeaseOf } from './session-rows.js';

/** Takes the reports of bots, one after the other. */
export async function updateAll(
  transaction: JobTransaction,
  updates: readonly SessionUpdate[],
): Promise<Map<SessionUpdate, Session | StatusError>> {
  const names = updates.map(({ name }) => name);
  await transaction.lockSessions(names);
  await transaction.loadLeases(names);
  return new Map(updates.map((update) => [update, applyUpdate(transaction, update)]));
}

/** A refusal is returned, not thrown: what it closes must be committed. */
function applyUpdate(transaction: JobTransaction, update: SessionUpdate): Session | StatusError {
  const { name, botId, isAccepting, isLeaving, offered, keepaliveMs, reports } = update;
  const session = transaction.sessions.get(name);
  if (!session) return refusal(name, 'is not known here');
  if (session.closed_because !== null) return refusal(name, session.closed_because);
  if (session.bot_id !== botId) {
    const { because, lost } = misused(session.bot_id);
    closeSession(transaction, session, { because, lost });
    return refusal(name, because);
  }
  const byId = new Map<string, LeaseReport>(reports.map((report) => [report.id, report]));
  for (const lease of transaction.leasesOf(name)) {
    const decision = decideLease(sessionLeaseOf(transaction, lease), byId.get(lease.id), isAccepting);
    apply(transaction, lease, { session, decision });
  }
  transaction.sessions.change(session, {
    revision: session.revision + 1,
    expires_at_ms: transaction.nowMs + keepaliveMs,
    is_accepting: isAccepting,
    offered: JSON.stringify(offered),
  });
  const presented = presentSession(transaction, session);
  if (isLeaving && presented.leases.length === 0) closeSession(transaction, session, left(botId));
  return presented;
}

interface Decided {
  readonly session: SessionRow;
  readonly decision: LeaseDecision;
}

function apply(transaction: JobTransaction, lease: LeaseRow, { session, decision }: Decided): void {
  const { leases } = transaction;
  switch (decision.kind) {
    case 'keep':
      if (!lease.is_reported) leases.change(lease, { is_reported: true });
      return;
    case 'offer':
      leases.change(lease, { offers: lease.offers + 1 });
      return;
    case 'activate':
      transaction.begin(lease);
      return;
    case 'give-back':
      transaction.putBack(lease, { outcome: 'returned' });
      return;
    case 'lost':
      fail(transaction, lease, { botId: session.bot_id, outcome: 'lost', error: decision.error });
      return;
    case 'finish':
      finish(transaction, lease, { session, decision });
      return;
    case 'drop':
      leases.remove(lease);
  }
}

function finish(
  transaction: JobTransaction,
  lease: LeaseRow,
  { session, decision }: { session: SessionRow; decision: Extract<LeaseDecision, { kind: 'finish' }> },
): void {
  const { verdict } = decision;
  if (verdict.kind === 'retry') {
    fail(transaction, lease, { botId: session.bot_id, outcome: 'failed', error: verdict.error });
    return;
  }
  const job = transaction.jobOf(lease);
  transaction.endLease(lease, 'completed');
  if (job) transaction.complete(job, verdict.response);
}

interface Fault {
  readonly botId: string;
  readonly outcome: 'failed' | 'lost';
  readonly error: string;
}

function fail(transaction: JobTransaction, lease: LeaseRow, { botId, outcome, error }: Fault): void {
  transaction.putBack(lease, { outcome, error: ofBot(botId, error), faultyBotId: botId });
}

function refusal(name: string, because: string): StatusError {
  return new StatusError(
    Code.InvalidArgument,
    `BotSession ${JSON.stringify(name)} ${because}; stop its work and create a new session`,
  );
}

const misused = (botId: string) => ({
  because: `belongs to bot ${JSON.stringify(botId)}, and was ended because another bot used it`,
  lost: ofBot(botId, 'its session was used by another bot'),
});

const left = (botId: string) => ({ because: 'was ended by its bot', lost: ofBot(botId, 'it has left') });
