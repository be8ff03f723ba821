import { LeaseState } from '../lease.js';
import { Stage } from '../stage.js';
import { attemptsTable, leasesTable, operationsTable } from './job-tables.js';
import type { JobTransaction } from './job-transaction.js';

/** Takes the Job of an Operation away from its bot, and puts it back where it was in the queue. */
export async function requeueJob(
  transaction: JobTransaction,
  operationId: string,
): Promise<'requeued' | 'queued' | 'over'> {
  const { leases, attempts, jobs, events, nowMs } = transaction;
  const found = await operationsTable.select(transaction, { column: 'id', values: [operationId] });
  const [job] = await transaction.lockJobs({ column: 'id', values: found.map(({ job_id: jobId }) => jobId) });
  // Read under the lock of the Job.
  const [operation] = await operationsTable.select(transaction, { column: 'id', values: [operationId] });
  if (!job || operation?.cancelled_at_ms !== null || job.stage === Stage.Completed) return 'over';
  if (job.lease_id === null) return 'queued';
  leases.load(await leasesTable.select(transaction, { column: 'id', values: [job.lease_id] }));
  const [attempt] = await attemptsTable.select(transaction, { column: 'lease_id', values: [job.lease_id] });
  const lease = leases.get(job.lease_id);
  attempts.patch(job.lease_id, { ended_at_ms: nowMs, outcome: 'requeued' });
  const { stage, platform_key: platformKey } = job;
  jobs.change(job, {
    stage: Stage.Queued,
    lease_id: null,
    leased_at_ms: null,
    started_at_ms: null,
    ready_at_ms: nowMs,
    // Who asks for this does not trust it: others go first.
    avoided_bot_id: attempt?.bot_id ?? null,
  });
  if (lease) {
    // Whatever its bot says of it from now on, it is only told to stop.
    leases.change(lease, { state: LeaseState.Cancelled });
    events.push({ type: 'session', sessionName: lease.session_name });
  }
  if (stage !== Stage.Queued) events.push({ type: 'stage', jobId: job.id, stage: Stage.Queued });
  events.push({ type: 'queued', platformKey, delayMs: 0 });
  return 'requeued';
}
