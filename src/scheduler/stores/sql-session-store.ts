import { CallBatch } from '../../sql/call-batch.js';
import { rowsOf } from '../../sql/query-rows.js';
import type { SqlContext } from '../../sql/sql-table.js';
import { Digest } from '../../digest/digest.js';
import type { LeasedJob, NewSession, Session, SessionStore, SessionUpdate } from '../job-store.js';
import { LeaseState } from '../lease.js';
import { claimAll } from './claim-jobs.js';
import type { JobTransaction, RunRead, RunTransaction } from './job-transaction.js';
import { openAll } from './open-sessions.js';
import { updateAll } from './session-reports.js';
import { presentSession, type SessionCall } from './session-rows.js';

interface LeasedCall {
  readonly sessionName: string;
  readonly leaseIds: readonly string[];
}

/** The bots' half of a {@link SqlJobStore}. */
export class SqlSessionStore implements SessionStore {
  readonly #open: CallBatch<NewSession, Session>;
  readonly #update: CallBatch<SessionUpdate, Session>;
  readonly #claim: CallBatch<SessionCall, Session | undefined>;
  readonly #touch: CallBatch<SessionCall, Session | undefined>;
  readonly #hangUp: CallBatch<SessionCall, undefined>;
  readonly #leased: CallBatch<LeasedCall, readonly LeasedJob[]>;

  constructor(run: RunTransaction, read: RunRead) {
    this.#open = new CallBatch((calls) => run('open', (transaction) => openAll(transaction, calls)));
    this.#update = new CallBatch((calls) => run('update', (transaction) => updateAll(transaction, calls)));
    this.#claim = new CallBatch((calls) => run('claim', (transaction) => claimAll(transaction, calls)));
    this.#touch = new CallBatch((calls) => run('touch', (transaction) => touchAll(transaction, calls)));
    this.#hangUp = new CallBatch((calls) => run('hang-up', (transaction) => hangUpAll(transaction, calls)));
    this.#leased = new CallBatch((calls) => read((context) => leasedAll(context, calls)));
  }

  open(session: NewSession): Promise<Session> {
    return this.#open.run({ ...session });
  }

  update(update: SessionUpdate): Promise<Session> {
    return this.#update.run({ ...update });
  }

  claim(sessionName: string, revision: number, keepaliveMs: number): Promise<Session | undefined> {
    return this.#claim.run({ sessionName, revision, keepaliveMs });
  }

  touch(sessionName: string, revision: number, keepaliveMs: number): Promise<Session | undefined> {
    return this.#touch.run({ sessionName, revision, keepaliveMs });
  }

  hangUp(sessionName: string, revision: number, keepaliveMs: number): Promise<void> {
    return this.#hangUp.run({ sessionName, revision, keepaliveMs });
  }

  leasedJobs(sessionName: string, leaseIds: readonly string[]): Promise<readonly LeasedJob[]> {
    return this.#leased.run({ sessionName, leaseIds });
  }
}

async function touchAll(
  transaction: JobTransaction,
  calls: readonly SessionCall[],
): Promise<Map<SessionCall, Session | undefined>> {
  const names = calls.map(({ sessionName }) => sessionName);
  await transaction.lockSessions(names);
  await transaction.loadLeases(names);
  return new Map(
    calls.map((call) => {
      const session = transaction.openSession(call.sessionName, call.revision);
      if (!session) return [call, undefined];
      transaction.sessions.change(session, { expires_at_ms: transaction.nowMs + call.keepaliveMs });
      return [call, presentSession(transaction, session)];
    }),
  );
}

async function hangUpAll(
  transaction: JobTransaction,
  calls: readonly SessionCall[],
): Promise<Map<SessionCall, undefined>> {
  const names = calls.map(({ sessionName }) => sessionName);
  await transaction.lockSessions(names);
  await transaction.loadLeases(names);
  for (const { sessionName, revision, keepaliveMs } of calls) {
    const session = transaction.openSession(sessionName, revision);
    if (!session) continue;
    for (const lease of transaction.leasesOf(sessionName)) {
      if (lease.state !== LeaseState.Pending || lease.is_reported) continue;
      transaction.putBack(lease, { outcome: 'returned' });
    }
    const expiresAtMs = Math.min(session.expires_at_ms, transaction.nowMs + keepaliveMs);
    transaction.sessions.change(session, { expires_at_ms: expiresAtMs });
  }
  return new Map(calls.map((call) => [call, undefined]));
}

interface LeasedRow {
  readonly id: string;
  readonly session_name: string;
  readonly action_digest: string;
  readonly is_cacheable: number | boolean;
  readonly queued_at_ms: number;
}

async function leasedAll(
  { sql, dialect }: SqlContext,
  calls: readonly LeasedCall[],
): Promise<Map<LeasedCall, readonly LeasedJob[]>> {
  const wanted = calls.flatMap(({ leaseIds }) => leaseIds);
  const { text: isWanted, bindings } = dialect.isIn('leases.id', wanted);
  const rows = await rowsOf<LeasedRow>(
    sql,
    `SELECT leases.id, leases.session_name, jobs.action_digest, jobs.is_cacheable, jobs.queued_at_ms
     FROM leases JOIN jobs ON jobs.id = leases.job_id AND jobs.lease_id = leases.id
     WHERE ${isWanted}`,
    bindings,
  );
  const byId = new Map(rows.map((row) => [row.id, row]));
  return new Map(
    calls.map((call) => {
      const found = call.leaseIds.flatMap((id) => byId.get(id) ?? []);
      return [call, found.filter((row) => row.session_name === call.sessionName).map(leasedJobOf)];
    }),
  );
}

function leasedJobOf(row: LeasedRow): LeasedJob {
  return {
    leaseId: row.id,
    actionDigest: Digest.parse(row.action_digest),
    isCacheable: Boolean(row.is_cacheable),
    queuedAtMs: row.queued_at_ms,
  };
}
