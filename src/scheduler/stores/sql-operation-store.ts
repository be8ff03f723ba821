import { randomUUID } from 'node:crypto';
import { Code } from '../../common/code.js';
import { StatusError } from '../../common/status-error.js';
import { Digest } from '../../digest/digest.js';
import { cancelledResponse } from '../execute-responses.js';
import type { NewJob, NewOperation, Operation, OperationQuery, OperationStore } from '../job-store.js';
import { LeaseState } from '../lease.js';
import type { OperationCondition, OperationField } from '../operation-filter.js';
import { Stage } from '../stage.js';
import { queueFullError } from '../queue-full-error.js';
import { isWaiting } from './job-schema.js';
import type { JobTransaction, RunTransaction } from './job-transaction.js';

interface OperationRow {
  readonly id: string;
  readonly seq: number;
  readonly instance_name: string;
  readonly hints: string;
  readonly cancelled_at_ms: number | null;
  readonly job_id: string;
  readonly action_digest: string;
  readonly platform_key: string;
  readonly stage: Stage;
  readonly queued_at_ms: number;
  readonly response: Buffer | null;
}

const columns = [
  'operations.id',
  'operations.seq',
  'operations.instance_name',
  'operations.hints',
  'operations.cancelled_at_ms',
  'operations.job_id',
  'jobs.action_digest',
  'jobs.platform_key',
  'jobs.stage',
  'jobs.queued_at_ms',
  'jobs.response',
];

/** An Operation is over when its Job is, or when it was cancelled. */
const stageColumn = `CASE WHEN operations.cancelled_at_ms IS NULL THEN jobs.stage ELSE ${Stage.Completed} END`;

const fieldColumns: Readonly<Record<OperationField, string>> = {
  stage: stageColumn,
  action_digest: 'jobs.action_digest',
  queued_time: 'jobs.queued_at_ms',
  tool_invocation_id: 'operations.tool_invocation_id',
  correlated_invocations_id: 'operations.correlated_invocations_id',
  action_mnemonic: 'operations.action_mnemonic',
  target_id: 'operations.target_id',
};

/** The clients' half of a {@link SqlJobStore}. */
export class SqlOperationStore implements OperationStore {
  readonly #run: RunTransaction;

  constructor(run: RunTransaction) {
    this.#run = run;
  }

  add(job: NewJob, operation: NewOperation, maxQueued: number): Promise<Operation> {
    return this.#run(async (transaction) => {
      const jobId = await jobFor(transaction, job, maxQueued);
      const id = await insertOperation(transaction, jobId, operation);
      return present(await load(transaction, id), id);
    });
  }

  find(operationId: string): Promise<Operation | undefined> {
    return this.#run((transaction) => load(transaction, operationId));
  }

  list({ instanceName, conditions, afterSeq, limit }: OperationQuery): Promise<readonly Operation[]> {
    return this.#run(async ({ sql }) => {
      const query = sql<OperationRow>('operations')
        .join('jobs', 'jobs.id', 'operations.job_id')
        .where('operations.instance_name', instanceName)
        .where('operations.seq', '>', afterSeq)
        .orderBy('operations.seq')
        .limit(limit)
        .select<OperationRow[]>(columns);
      for (const { field, operator, value } of conditions) void query.whereRaw(conditionOn(field, operator), [value]);
      return (await query).map(operationOf);
    });
  }

  cancel(operationId: string): Promise<void> {
    return this.#run(async (transaction) => {
      await lockJobOf(transaction, operationId);
      const operation = await load(transaction, operationId);
      if (!operation || operation.stage === Stage.Completed) return;
      const { jobId } = operation;
      await transaction.sql('operations').where({ id: operationId }).update({ cancelled_at_ms: transaction.nowMs });
      transaction.events.push({ type: 'stage', jobId, stage: Stage.Completed });
      const live = transaction.sql('operations').where({ job_id: jobId, cancelled_at_ms: null });
      const [others] = await live.count<{ count: number }[]>({ count: '*' });
      if (others?.count === 0) await cancelJob(transaction, jobId);
    });
  }

  forget(operationId: string): Promise<boolean> {
    return this.#run(async (transaction) => {
      await lockJobOf(transaction, operationId);
      const operation = await load(transaction, operationId);
      if (!operation) return true;
      if (operation.stage !== Stage.Completed) return false;
      await transaction.sql('operations').where({ id: operationId }).delete();
      await forgetJobsWithoutOperation(transaction, [operation.jobId]);
      return true;
    });
  }
}

/** Forgets those of the Jobs that are over and that no Operation is left of. */
export async function forgetJobsWithoutOperation({ sql }: JobTransaction, jobIds: readonly string[]): Promise<void> {
  const operations = sql('operations').whereRaw('operations.job_id = jobs.id').select('id');
  await sql('jobs').whereIn('id', jobIds).where({ stage: Stage.Completed }).whereNotExists(operations).delete();
}

/** Finds a Job in flight that does for this one as well, locks it, and makes it as urgent. */
async function join({ sql }: JobTransaction, { isShared, actionDigest, priority, response }: NewJob) {
  if (!isShared || response) return undefined;
  const job = await sql('jobs')
    .where({ shared_key: actionDigest.key })
    .forUpdate()
    .first<{ id: string; priority: number } | undefined>('id', 'priority');
  if (job && priority < job.priority) await sql('jobs').where({ id: job.id }).update({ priority });
  return job?.id;
}

/** Joins a Job or makes one. Somebody else may make, or end, the same at this moment. */
async function jobFor(transaction: JobTransaction, job: NewJob, maxQueued: number): Promise<string> {
  for (;;) {
    const id = (await join(transaction, job)) ?? (await insertJob(transaction, job, maxQueued));
    if (id !== undefined) return id;
  }
}

/** Makes a Job, unless somebody else has just made one that does for it. */
async function insertJob(transaction: JobTransaction, job: NewJob, maxQueued: number): Promise<string | undefined> {
  const { sql, nowMs, events } = transaction;
  if (!job.response) await checkQueue(transaction, maxQueued);
  const id = randomUUID();
  const row = {
    id,
    action_digest: String(job.actionDigest),
    platform_key: job.platformKey,
    priority: job.priority,
    is_cacheable: job.isCacheable,
    shared_key: job.isShared && !job.response ? job.actionDigest.key : null,
    stage: job.response ? Stage.Completed : Stage.Queued,
    queued_at_ms: nowMs,
    ready_at_ms: nowMs,
    response: job.response ? Buffer.from(job.response) : null,
    completed_at_ms: job.response ? nowMs : null,
  };
  const made = await sql('jobs').insert(row).onConflict('shared_key').ignore().returning<{ id: string }[]>('id');
  if (made.length === 0) return undefined;
  if (!job.response) events.push({ type: 'queued', platformKey: job.platformKey, delayMs: 0 });
  return id;
}

async function checkQueue({ sql }: JobTransaction, maxQueued: number): Promise<void> {
  const waiting = sql('jobs').whereRaw(isWaiting).count<{ waiting: number }[]>({ waiting: '*' });
  const [row] = await waiting;
  if ((row?.waiting ?? 0) >= maxQueued) throw queueFullError(maxQueued);
}

async function insertOperation(
  { sql }: JobTransaction,
  jobId: string,
  { instanceName, hints, labels }: NewOperation,
): Promise<string> {
  const id = randomUUID();
  await sql('operations').insert({
    id,
    job_id: jobId,
    instance_name: instanceName,
    hints,
    tool_invocation_id: labels.toolInvocationId,
    correlated_invocations_id: labels.correlatedInvocationsId,
    action_mnemonic: labels.actionMnemonic,
    target_id: labels.targetId,
  });
  return id;
}

async function lockJobOf({ sql }: JobTransaction, operationId: string): Promise<void> {
  const jobId = sql('operations').where({ id: operationId }).select('job_id');
  await sql('jobs').whereIn('id', jobId).forUpdate().select('seq');
}

async function load({ sql }: JobTransaction, id: string): Promise<Operation | undefined> {
  const row = await sql('operations')
    .join('jobs', 'jobs.id', 'operations.job_id')
    .where('operations.id', id)
    .first<OperationRow | undefined>(columns);
  return row && operationOf(row);
}

function present(operation: Operation | undefined, id: string): Operation {
  if (operation) return operation;
  throw new StatusError(Code.Internal, `Operation ${id} is gone in the transaction that made it`);
}

function operationOf(row: OperationRow): Operation {
  const isCancelled = row.cancelled_at_ms !== null;
  const response = isCancelled ? cancelledResponse() : row.response;
  return {
    id: row.id,
    seq: row.seq,
    instanceName: row.instance_name,
    jobId: row.job_id,
    actionDigest: Digest.parse(row.action_digest),
    platformKey: row.platform_key,
    stage: isCancelled ? Stage.Completed : row.stage,
    queuedAtMs: row.queued_at_ms,
    hints: row.hints,
    ...(response && { response }),
  };
}

/** Nobody waits for it any more: a Lease under way is called off. */
async function cancelJob(transaction: JobTransaction, jobId: string): Promise<void> {
  const { sql, events } = transaction;
  const lease = await sql('leases')
    .join('jobs', 'jobs.lease_id', 'leases.id')
    .where('jobs.id', jobId)
    .first<{ id: string; session_name: string } | undefined>('leases.id', 'leases.session_name');
  await transaction.complete(jobId, cancelledResponse());
  if (!lease) return;
  await sql('leases').where({ id: lease.id }).update({ state: LeaseState.Cancelled });
  events.push({ type: 'session', sessionName: lease.session_name });
}

function conditionOn(field: OperationField, operator: OperationCondition['operator']): string {
  return `${fieldColumns[field]} ${operator === '!=' ? '<>' : operator} ?`;
}
