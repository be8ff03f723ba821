import type { Sql } from '../../sql/database.js';
import type { Dialect } from '../../sql/dialect.js';
import { attemptsUsedUpResponse } from '../execute-responses.js';
import type { JobEvent } from '../job-events.js';
import { Stage, predecessorsOf } from '../stage.js';

/** A Lease as far as its Job is concerned. */
export interface JobLease {
  readonly id: string;
  readonly job_id: string;
}

/** Why a Job goes back into the queue. */
export interface Return {
  /** What went wrong; `undefined` if nothing was begun, so that it is no attempt. */
  readonly error?: string;
  /** The bot that said so, if it was at fault: others go first, and all wait a little. */
  readonly faultyBotId?: string;
}

/** What a {@link JobTransaction} is made of. */
export interface TransactionParts {
  readonly sql: Sql;
  readonly dialect: Dialect;
  readonly nowMs: number;
  readonly maxAttempts: number;
}

/** Runs a change of the store; its events are told once it is durable, and not at all if it fails. */
export type RunTransaction = <T>(work: (transaction: JobTransaction) => Promise<T>) => Promise<T>;

/** How long a Job waits after its first failed attempt; twice as long after each further one. */
const firstDelayMs = 1_000;

/** The changes of Jobs that several methods of the store share, within one transaction. */
export class JobTransaction {
  readonly sql: Sql;
  readonly dialect: Dialect;
  readonly nowMs: number;
  /** Told when the transaction is durable. */
  readonly events: JobEvent[] = [];
  readonly #maxAttempts: number;

  constructor({ sql, dialect, nowMs, maxAttempts }: TransactionParts) {
    this.sql = sql;
    this.dialect = dialect;
    this.nowMs = nowMs;
    this.#maxAttempts = maxAttempts;
  }

  /** Ends a Job unless it has ended. With a `leaseId` only while that Lease is in force. */
  async complete(jobId: string, response: Uint8Array, leaseId?: string): Promise<void> {
    const changed = await this.sql('jobs')
      .where({ id: jobId, ...(leaseId !== undefined && { lease_id: leaseId }) })
      .whereIn('stage', predecessorsOf(Stage.Completed))
      .update({
        stage: Stage.Completed,
        response: Buffer.from(response),
        completed_at_ms: this.nowMs,
        lease_id: null,
        shared_key: null,
      });
    if (changed > 0) this.events.push({ type: 'stage', jobId, stage: Stage.Completed });
  }

  /** The bot has begun: the Job is executing, if the Lease is in force. */
  async begin({ id, job_id: jobId }: JobLease): Promise<void> {
    const changed = await this.sql('jobs')
      .where({ id: jobId, lease_id: id })
      .whereIn('stage', predecessorsOf(Stage.Executing))
      .update({ stage: Stage.Executing });
    if (changed > 0) this.events.push({ type: 'stage', jobId, stage: Stage.Executing });
  }

  /** Puts the Job of a Lease that is over back into the queue, where it was, or ends it when its attempts are used up. */
  async putBack({ id, job_id: jobId }: JobLease, { error, faultyBotId }: Return): Promise<void> {
    await this.sql('leases').where({ id }).delete();
    const job = await this.sql('jobs')
      .where({ id: jobId, lease_id: id })
      .first<Pick<JobRow, 'stage' | 'attempts' | 'platform_key'> | undefined>('stage', 'attempts', 'platform_key');
    if (!job) return;
    const attempts = job.attempts + (error === undefined ? 0 : 1);
    if (error !== undefined && attempts >= this.#maxAttempts) {
      await this.complete(jobId, attemptsUsedUpResponse(attempts, error), id);
      return;
    }
    const delayMs = faultyBotId === undefined ? 0 : firstDelayMs * 2 ** (attempts - 1);
    await this.sql('jobs')
      .where({ id: jobId, lease_id: id })
      .update({
        stage: Stage.Queued,
        lease_id: null,
        attempts,
        ready_at_ms: this.nowMs + delayMs,
        avoided_bot_id: faultyBotId ?? null,
      });
    if (job.stage !== Stage.Queued) this.events.push({ type: 'stage', jobId, stage: Stage.Queued });
    this.events.push({ type: 'queued', platformKey: job.platform_key, delayMs });
  }
}

/** A row of `jobs`. */
export interface JobRow {
  readonly seq: number;
  readonly id: string;
  readonly action_digest: string;
  readonly platform_key: string;
  readonly priority: number;
  readonly is_cacheable: number | boolean;
  readonly stage: Stage;
  readonly lease_id: string | null;
  readonly attempts: number;
  readonly queued_at_ms: number;
  readonly response: Buffer | null;
}
