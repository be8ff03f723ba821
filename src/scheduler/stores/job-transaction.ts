import { RowSet } from '../../sql/row-set.js';
import type { Sql } from '../../sql/database.js';
import type { Dialect, Statement } from '../../sql/dialect.js';
import type { Selection, SqlContext } from '../../sql/sql-table.js';
import { attemptsUsedUpResponse, cancelledResponse } from '../execute-responses.js';
import type { JobEvent } from '../job-events.js';
import type { AttemptOutcome } from '../job-store.js';
import { LeaseState } from '../lease.js';
import { Stage, predecessorsOf } from '../stage.js';
import {
  attemptsTable,
  jobsTable,
  leasesTable,
  operationsTable,
  sessionsTable,
  watchesTable,
  type JobRow,
  type LeaseRow,
  type SessionRow,
} from './job-tables.js';
import { recordKillers } from './killing-actions.js';

/** Why a Job goes back into the queue. */
export interface Return {
  readonly outcome: AttemptOutcome;
  /** What went wrong; `undefined` if nothing was begun, so that it is no attempt. */
  readonly error?: string;
  /** The bot that said so, if it was at fault: others go first, and all wait a little. */
  readonly faultyBotId?: string;
  /** Whether the bot was gone, without a word: the Action may have killed it. */
  readonly hasVanished?: boolean;
}

/** What a {@link JobTransaction} is made of. */
export interface TransactionParts extends SqlContext {
  readonly nowMs: number;
  readonly maxAttempts: number;
  /** Under which this process counts the Jobs that wait. */
  readonly counter: string;
}

/**
 * Runs a change of the store, of a kind of which no two run at the same time as a rule; its events are told once it is
 * durable, and not at all if it fails.
 */
export type RunTransaction = <T>(kind: string, work: (transaction: JobTransaction) => Promise<T>) => Promise<T>;

/** Runs statements that change nothing. */
export type RunRead = <T>(work: (context: SqlContext) => Promise<T>) => Promise<T>;

/** How long a Job waits after its first failed attempt; twice as long after each further one. */
const firstDelayMs = 1_000;

/**
 * The rows that one transaction has to do with. They are loaded and locked by lists, changed here by the rules, and written
 * back by lists: what many callers want costs a handful of statements.
 *
 * Sessions are locked before Jobs, each in one order, so that no two wait for each other in a ring. A Lease, and an
 * Operation that is there, are changed only under the lock of their Job.
 */
export class JobTransaction implements SqlContext {
  readonly sql: Sql;
  readonly dialect: Dialect;
  readonly nowMs: number;
  /** Told when the transaction is durable. */
  readonly events: JobEvent[] = [];
  /** Told then to this process only. */
  readonly ownEvents: JobEvent[] = [];
  readonly sessions = new RowSet(sessionsTable);
  readonly jobs = new RowSet(jobsTable);
  readonly operations = new RowSet(operationsTable);
  readonly leases = new RowSet(leasesTable);
  readonly attempts = new RowSet(attemptsTable);
  readonly watches = new RowSet(watchesTable);
  readonly #maxAttempts: number;
  readonly #counter: string;
  /** The Jobs that waited when they were loaded. */
  readonly #waited = new Set<string>();
  /** The Jobs whose attempts were used up. */
  readonly #givenUp: JobRow[] = [];

  constructor({ sql, dialect, nowMs, maxAttempts, counter }: TransactionParts) {
    this.sql = sql;
    this.dialect = dialect;
    this.nowMs = nowMs;
    this.#maxAttempts = maxAttempts;
    this.#counter = counter;
  }

  async lockSessions(names: readonly string[]): Promise<void> {
    this.sessions.load(await sessionsTable.select(this, { column: 'name', values: names, lock: 'wait' }));
  }

  /** Returns the Jobs of a selection, locked. */
  async lockJobs(selection: Selection<JobRow>): Promise<JobRow[]> {
    const rows = await jobsTable.select(this, { order: 'seq', lock: 'wait', ...selection });
    for (const row of rows) if (!this.jobs.get(row.id) && isWaitingRow(row)) this.#waited.add(row.id);
    this.jobs.load(rows);
    return rows.flatMap(({ id }) => this.jobs.get(id) ?? []);
  }

  /** Loads the Leases of sessions that are locked, those that are called off included, and locks their Jobs. */
  async loadLeases(sessionNames: readonly string[]): Promise<void> {
    const held = await leasesTable.select(this, { column: 'session_name', values: sessionNames });
    await this.lockJobs({ column: 'id', values: held.map(({ job_id: jobId }) => jobId) });
    // Read anew: who held the lock of a Job before may have called its Lease off.
    const values = held.map(({ id }) => id);
    this.leases.load(this.dialect.isShared ? await leasesTable.select(this, { column: 'id', values }) : held);
  }

  leasesOf(sessionName: string): LeaseRow[] {
    return [...this.leases.values()].filter((lease) => lease.session_name === sessionName);
  }

  /** A session that is loaded and open, and at `revision` if one is given. */
  openSession(name: string, revision?: number): SessionRow | undefined {
    const session = this.sessions.get(name);
    if (session?.closed_because !== null) return undefined;
    return revision === undefined || session.revision === revision ? session : undefined;
  }

  /** Ends a Job unless it has ended. */
  complete(job: JobRow, response: Uint8Array): void {
    if (!predecessorsOf(Stage.Completed).includes(job.stage)) return;
    this.jobs.change(job, {
      stage: Stage.Completed,
      response,
      completed_at_ms: this.nowMs,
      lease_id: null,
      shared_key: null,
    });
    this.events.push({ type: 'stage', jobId: job.id, stage: Stage.Completed });
  }

  /** The Job of a Lease that is in force. */
  jobOf(lease: LeaseRow): JobRow | undefined {
    const job = this.jobs.get(lease.job_id);
    return job?.lease_id === lease.id ? job : undefined;
  }

  /** The bot has begun: the Job is executing, if the Lease is in force. */
  begin(lease: LeaseRow): void {
    this.leases.change(lease, { state: LeaseState.Active, is_reported: true });
    const job = this.jobOf(lease);
    if (!job || !predecessorsOf(Stage.Executing).includes(job.stage)) return;
    this.jobs.change(job, { stage: Stage.Executing, started_at_ms: this.nowMs });
    this.attempts.patch(lease.id, { started_at_ms: this.nowMs });
    this.events.push({ type: 'stage', jobId: job.id, stage: Stage.Executing });
  }

  /** A Lease is over. */
  endLease(lease: LeaseRow, outcome: AttemptOutcome, error?: string): void {
    this.leases.remove(lease);
    this.#endAttempt(lease.id, outcome, error);
  }

  /** Puts the Job of a Lease that is over back into the queue, where it was, or ends it when its attempts are used up. */
  putBack(lease: LeaseRow, { outcome, error, faultyBotId, hasVanished }: Return): void {
    const job = this.jobOf(lease);
    this.endLease(lease, outcome, error);
    if (hasVanished) this.attempts.patch(lease.id, { has_vanished: true });
    if (!job) return;
    const attempts = job.attempts + (error === undefined ? 0 : 1);
    if (error !== undefined && attempts >= this.#maxAttempts) {
      this.jobs.change(job, { attempts });
      this.complete(job, attemptsUsedUpResponse(attempts, error));
      this.#givenUp.push(job);
      return;
    }
    const { stage, platform_key: platformKey } = job;
    const delayMs = faultyBotId === undefined ? 0 : firstDelayMs * 2 ** (attempts - 1);
    this.jobs.change(job, {
      stage: Stage.Queued,
      lease_id: null,
      leased_at_ms: null,
      started_at_ms: null,
      attempts,
      ready_at_ms: this.nowMs + delayMs,
      avoided_bot_id: faultyBotId ?? null,
    });
    if (stage !== Stage.Queued) this.events.push({ type: 'stage', jobId: job.id, stage: Stage.Queued });
    this.events.push({ type: 'queued', platformKey, delayMs });
  }

  /** Nobody waits for a Job any more, whose Lease is loaded: it is called off. */
  cancelJob(job: JobRow): void {
    const lease = this.leases.get(job.lease_id);
    this.complete(job, cancelledResponse());
    if (!lease) return;
    this.leases.change(lease, { state: LeaseState.Cancelled });
    this.#endAttempt(lease.id, 'cancelled');
    this.events.push({ type: 'session', sessionName: lease.session_name });
  }

  /** Writes everything back. */
  async flush(): Promise<void> {
    this.#tellPassedOver();
    const sets = [this.sessions, this.jobs, this.operations, this.leases, this.attempts, this.watches];
    const statements = sets.flatMap((set) => set.takeStatements(this.dialect));
    await this.dialect.runAll(this.sql, [...statements, ...this.#count()]);
    await recordKillers(this, this.#givenUp.splice(0));
  }

  /** The end is told once, and so is how it came. */
  #endAttempt(leaseId: string, outcome: AttemptOutcome, error?: string): void {
    this.attempts.patch(leaseId, { ended_at_ms: this.nowMs, outcome, error: error ?? null });
  }

  /** Claims elsewhere have passed over the Jobs that were locked here: of those that still wait they must hear. */
  #tellPassedOver(): void {
    if (!this.dialect.isShared) return;
    for (const job of this.jobs.values()) {
      if (!this.#waited.has(job.id) || !isWaitingRow(job)) continue;
      const delayMs = Math.max(0, job.ready_at_ms - this.nowMs);
      this.events.push({ type: 'queued', platformKey: job.platform_key, delayMs });
    }
  }

  #count(): Statement[] {
    let change = -this.#waited.size;
    for (const job of this.jobs.values()) if (isWaitingRow(job)) change += 1;
    if (change === 0) return [];
    const text = `
      INSERT INTO waiting_counts (counter, waiting) VALUES (?, ?)
      ON CONFLICT (counter) DO UPDATE SET waiting = waiting_counts.waiting + excluded.waiting`;
    return [{ text, bindings: [this.#counter, change] }];
  }
}

/** Whether a Job waits for a bot. */
export function isWaitingRow(job: Pick<JobRow, 'stage' | 'lease_id'>): boolean {
  return job.stage === Stage.Queued && job.lease_id === null;
}
