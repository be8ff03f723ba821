import { CallBatch } from '../../sql/call-batch.js';
import { rowsOf } from '../../sql/query-rows.js';
import type { SqlContext } from '../../sql/sql-table.js';
import type {
  Attempt,
  ListedOperation,
  NewJob,
  NewOperation,
  Operation,
  OperationQuery,
  OperationStore,
} from '../job-store.js';
import type { OperationCondition, OperationField } from '../operation-filter.js';
import { Stage } from '../stage.js';
import { addAll, type AddCall } from './add-jobs.js';
import { labelColumns, labelsOf, loadAttempts, type LabelColumns } from './describe-job.js';
import { leasesTable, operationsTable } from './job-tables.js';
import type { JobTransaction, RunRead, RunTransaction } from './job-transaction.js';
import { foundColumns, operationOf, stageColumn, type FoundOperation } from './operation-rows.js';

interface IdCall {
  readonly id: string;
}

type ListedRow = FoundOperation & LabelColumns & { readonly bot_id: string | null };

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
  readonly #add: CallBatch<AddCall, Operation>;
  readonly #find: CallBatch<IdCall, Operation | undefined>;
  readonly #cancel: CallBatch<IdCall, undefined>;
  readonly #forget: CallBatch<IdCall, boolean>;
  readonly #read: RunRead;

  constructor(run: RunTransaction, read: RunRead) {
    this.#add = new CallBatch((calls) => run('add', (transaction) => addAll(transaction, calls)));
    this.#find = new CallBatch((calls) => read((context) => findAll(context, calls)));
    this.#cancel = new CallBatch((calls) => run('cancel', (transaction) => cancelAll(transaction, calls)));
    this.#forget = new CallBatch((calls) => run('forget', (transaction) => forgetAll(transaction, calls)));
    this.#read = read;
  }

  add(job: NewJob, operation: NewOperation, maxQueued: number): Promise<Operation> {
    return this.#add.run({ job, operation, maxQueued });
  }

  find(operationId: string): Promise<Operation | undefined> {
    return this.#find.run({ id: operationId });
  }

  list({ instanceName, conditions, afterSeq, limit }: OperationQuery): Promise<readonly ListedOperation[]> {
    return this.#read(async ({ sql }) => {
      const query = sql<ListedRow>('operations')
        .join('jobs', 'jobs.id', 'operations.job_id')
        .leftJoin('attempts', 'attempts.lease_id', 'jobs.lease_id')
        .where('operations.instance_name', instanceName)
        .where('operations.seq', '>', afterSeq)
        .orderBy('operations.seq')
        .limit(limit)
        .select<ListedRow[]>([...foundColumns, ...labelColumns, 'attempts.bot_id']);
      for (const { field, operator, value } of conditions) void query.whereRaw(conditionOn(field, operator), [value]);
      return (await query).map(listedOf);
    });
  }

  attempts(jobId: string): Promise<readonly Attempt[]> {
    return this.#read((context) => loadAttempts(context, jobId));
  }

  cancel(operationId: string): Promise<void> {
    return this.#cancel.run({ id: operationId });
  }

  forget(operationId: string): Promise<boolean> {
    return this.#forget.run({ id: operationId });
  }
}

/** Forgets those of the Jobs that are over and that no Operation is left of. */
export async function forgetJobsWithoutOperation(
  { sql, dialect }: SqlContext,
  jobIds: readonly string[],
): Promise<void> {
  const { text: isWanted, bindings } = dialect.isIn('id', jobIds);
  await rowsOf(
    sql,
    `DELETE FROM jobs WHERE ${isWanted} AND stage = ${Stage.Completed}
       AND NOT EXISTS (SELECT id FROM operations WHERE operations.job_id = jobs.id)`,
    bindings,
  );
}

async function findAll(
  { sql, dialect }: SqlContext,
  calls: readonly IdCall[],
): Promise<Map<IdCall, Operation | undefined>> {
  const wanted = [...new Set(calls.map(({ id }) => id))];
  const { text: isWanted, bindings } = dialect.isIn('operations.id', wanted);
  const rows = await rowsOf<FoundOperation>(
    sql,
    `SELECT ${foundColumns.join(', ')} FROM operations JOIN jobs ON jobs.id = operations.job_id
     WHERE ${isWanted}`,
    bindings,
  );
  const found = new Map(rows.map((row) => [row.id, operationOf(row)]));
  return new Map(calls.map((call) => [call, found.get(call.id)]));
}

/** Locks the Jobs of Operations, and loads all Operations and Leases of those. */
async function loadWithJobs(transaction: JobTransaction, ids: readonly string[]): Promise<void> {
  const wanted = await operationsTable.select(transaction, { column: 'id', values: ids });
  const jobs = await transaction.lockJobs({ column: 'id', values: wanted.map(({ job_id: jobId }) => jobId) });
  const jobIds = jobs.map(({ id }) => id);
  transaction.operations.load(await operationsTable.select(transaction, { column: 'job_id', values: jobIds }));
  transaction.leases.load(await leasesTable.select(transaction, { column: 'job_id', values: jobIds }));
}

async function cancelAll(transaction: JobTransaction, calls: readonly IdCall[]): Promise<Map<IdCall, undefined>> {
  await cancelOperations(
    transaction,
    calls.map(({ id }) => id),
  );
  return new Map(calls.map((call) => [call, undefined]));
}

/** Ends Operations, and the Jobs that no other waits for. Returns how many were not over. */
export async function cancelOperations(transaction: JobTransaction, ids: readonly string[]): Promise<number> {
  await loadWithJobs(transaction, ids);
  return ids.filter((id) => cancelOne(transaction, id)).length;
}

/** Returns false if it is over. */
function cancelOne(transaction: JobTransaction, id: string): boolean {
  const { operations, jobs, nowMs, events } = transaction;
  const operation = operations.get(id);
  if (operation?.cancelled_at_ms !== null) return false;
  const job = jobs.get(operation.job_id);
  if (!job) return false;
  if (job.stage === Stage.Completed) return false;
  operations.change(operation, { cancelled_at_ms: nowMs });
  events.push({ type: 'stage', jobId: job.id, stage: Stage.Completed });
  const others = [...operations.values()].filter((each) => each.job_id === job.id && each.cancelled_at_ms === null);
  if (others.length === 0) transaction.cancelJob(job);
  return true;
}

async function forgetAll(transaction: JobTransaction, calls: readonly IdCall[]): Promise<Map<IdCall, boolean>> {
  await loadWithJobs(
    transaction,
    calls.map(({ id }) => id),
  );
  const outcomes = new Map<IdCall, boolean>();
  const jobIds = new Set<string>();
  for (const call of calls) {
    const operation = transaction.operations.get(call.id);
    const job = operation && transaction.jobs.get(operation.job_id);
    const isOver = operation?.cancelled_at_ms !== null || job?.stage === Stage.Completed;
    outcomes.set(call, isOver);
    if (!operation || !isOver) continue;
    transaction.operations.remove(operation);
    jobIds.add(operation.job_id);
  }
  await transaction.operations.flush(transaction);
  await forgetJobsWithoutOperation(transaction, [...jobIds]);
  return outcomes;
}

function conditionOn(field: OperationField, operator: OperationCondition['operator']): string {
  return `${fieldColumns[field]} ${operator === '!=' ? '<>' : operator} ?`;
}

function listedOf(row: ListedRow): ListedOperation {
  const isHeld = row.bot_id !== null && row.cancelled_at_ms === null;
  return { ...operationOf(row), labels: labelsOf(row), ...(isHeld && { botId: row.bot_id }) };
}
