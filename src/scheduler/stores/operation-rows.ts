import { Digest } from '../../digest/digest.js';
import { cancelledResponse } from '../execute-responses.js';
import type { Operation } from '../job-store.js';
import { Stage } from '../stage.js';
import type { JobRow, OperationRow } from './job-tables.js';

/** A row of `operations` with what its Job adds. */
export type FoundOperation = Required<
  Pick<OperationRow, 'id' | 'seq' | 'instance_name' | 'hints' | 'cancelled_at_ms' | 'job_id'> &
    Pick<
      JobRow,
      'action_digest' | 'platform_key' | 'stage' | 'queued_at_ms' | 'leased_at_ms' | 'started_at_ms' | 'completed_at_ms'
    >
> &
  Pick<JobRow, 'response'>;

/** What {@link operationOf} needs, of `operations` joined with `jobs`. */
export const foundColumns = [
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
  'jobs.leased_at_ms',
  'jobs.started_at_ms',
  'jobs.completed_at_ms',
  'jobs.response',
];

/** An Operation is over when its Job is, or when it was cancelled. */
export const stageColumn = `CASE WHEN operations.cancelled_at_ms IS NULL THEN jobs.stage ELSE ${Stage.Completed} END`;

/** The Operation behind a row. */
export function operationOf(row: FoundOperation): Operation {
  const isCancelled = row.cancelled_at_ms !== null;
  const response = isCancelled ? cancelledResponse() : row.response;
  const completedAtMs = row.cancelled_at_ms ?? row.completed_at_ms;
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
    ...(row.leased_at_ms !== null && { leasedAtMs: row.leased_at_ms }),
    ...(row.started_at_ms !== null && { startedAtMs: row.started_at_ms }),
    ...(completedAtMs !== null && { completedAtMs }),
    ...(response && { response }),
  };
}
