import type { Clock } from '../../common/clock.js';
import { rowsOf } from '../../sql/query-rows.js';
import type { SqlContext } from '../../sql/sql-table.js';
import { maxAhead, type JobDetails } from '../job-inspection.js';
import type { Attempt } from '../job-store.js';
import { isWaiting } from './job-schema.js';
import { attemptsTable, type AttemptRow, type JobRow, type OperationRow } from './job-tables.js';
import { isWaitingRow } from './job-transaction.js';
import { foundColumns, operationOf, type FoundOperation } from './operation-rows.js';

/** What {@link labelsOf} needs of a row. */
export type LabelColumns = Pick<
  OperationRow,
  'tool_invocation_id' | 'correlated_invocations_id' | 'action_mnemonic' | 'target_id'
>;
type DescribedRow = FoundOperation &
  LabelColumns &
  Pick<JobRow, 'priority' | 'rank' | 'ready_at_ms' | 'lease_id'> & {
    readonly job_seq: number;
    readonly job_stage: JobRow['stage'];
    readonly shared_by: number;
  };

/** What {@link labelsOf} needs of `operations`. */
export const labelColumns = [
  'operations.tool_invocation_id',
  'operations.correlated_invocations_id',
  'operations.action_mnemonic',
  'operations.target_id',
];

const columns = [
  ...foundColumns,
  ...labelColumns,
  'jobs.seq AS job_seq',
  'jobs.stage AS job_stage',
  'jobs.priority',
  'jobs.rank',
  'jobs.ready_at_ms',
  'jobs.lease_id',
];

/** The Operations that still wait for a Job, besides those that were cancelled. */
const sharedBy = `
  (SELECT count(*) FROM operations AS others WHERE others.job_id = jobs.id AND others.cancelled_at_ms IS NULL) AS shared_by`;

/** All that is known of an Operation and its Job. */
export async function describeJob(
  context: SqlContext,
  operationId: string,
  clock: Clock,
): Promise<JobDetails | undefined> {
  const { sql, dialect } = context;
  const asOfMs = await dialect.timeOf(sql, clock);
  const [row] = await rowsOf<DescribedRow>(
    sql,
    `SELECT ${columns.join(', ')}, ${sharedBy}
     FROM operations JOIN jobs ON jobs.id = operations.job_id WHERE operations.id = ?`,
    [operationId],
  );
  if (!row) return undefined;
  return {
    asOfMs,
    operation: operationOf(row),
    labels: labelsOf(row),
    priority: row.priority,
    rank: row.rank,
    readyAtMs: row.ready_at_ms,
    isLeased: row.lease_id !== null,
    sharedBy: row.shared_by,
    attempts: await loadAttempts(context, row.job_id),
    ahead: await countAhead(context, row),
  };
}

/** The Leases that a Job had and has, oldest first. */
export async function loadAttempts(context: SqlContext, jobId: string): Promise<Attempt[]> {
  const selection = { column: 'job_id', values: [jobId], order: 'leased_at_ms, number' } as const;
  return (await attemptsTable.select(context, selection)).map(attemptOf);
}

/** What a client has said of itself. */
export function labelsOf(row: LabelColumns): JobDetails['labels'] {
  return {
    toolInvocationId: row.tool_invocation_id,
    correlatedInvocationsId: row.correlated_invocations_id,
    actionMnemonic: row.action_mnemonic,
    targetId: row.target_id,
  };
}

async function countAhead({ sql }: SqlContext, row: DescribedRow): Promise<number> {
  const { platform_key: platformKey, rank, job_seq: seq, job_stage: stage, lease_id: leaseId } = row;
  if (!isWaitingRow({ stage, lease_id: leaseId })) return 0;
  const [found] = await rowsOf<{ ahead: number }>(
    sql,
    `SELECT count(*) AS ahead FROM (
       SELECT seq FROM jobs WHERE ${isWaiting} AND platform_key = ? AND (rank, seq) < (?, ?) ORDER BY rank, seq LIMIT ?
     ) AS first`,
    [platformKey, rank, seq, maxAhead],
  );
  return found?.ahead ?? 0;
}

function attemptOf(row: AttemptRow): Attempt {
  return {
    leaseId: row.lease_id,
    number: row.number,
    botId: row.bot_id,
    sessionName: row.session_name,
    leasedAtMs: row.leased_at_ms,
    ...(row.started_at_ms !== null && { startedAtMs: row.started_at_ms }),
    ...(row.ended_at_ms !== null && { endedAtMs: row.ended_at_ms }),
    ...(row.outcome !== null && { outcome: row.outcome }),
    ...(row.error !== null && { error: row.error }),
  };
}
