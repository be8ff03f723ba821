import { randomUUID } from 'node:crypto';
import { rowsOf } from '../../sql/query-rows.js';
import type { StatusError } from '../../common/status-error.js';
import type { NewJob, NewOperation, Operation } from '../job-store.js';
import { queueFullError } from '../queue-full-error.js';
import { quarantinedResponse } from '../quarantine.js';
import { Stage } from '../stage.js';
import { JobPlaces, type Flow } from './job-places.js';
import { isWaitingRow, type JobTransaction } from './job-transaction.js';
import type { JobRow, OperationRow } from './job-tables.js';
import { killingActionOf, type KillingActionRow } from './killing-actions.js';
import { operationOf } from './operation-rows.js';

/** An Execute. */
export interface AddCall {
  readonly job: NewJob;
  readonly operation: NewOperation;
  readonly maxQueued: number;
}

interface Added {
  readonly job: JobRow;
  readonly operation: OperationRow;
}

/** Adds Operations, and the Jobs that they cannot share with others. What comes first goes first. */
export async function addAll(
  transaction: JobTransaction,
  calls: readonly AddCall[],
): Promise<Map<AddCall, Operation | StatusError>> {
  const outcomes = new Map<AddCall, Operation | StatusError>();
  const { waiting, killers } = await loadQueue(transaction, calls);
  const answers = new Map(calls.map((call) => [call, unlessQuarantined(call, killers, transaction.nowMs)]));
  const jobs = await jobsFor(transaction, [...answers.values()], waiting);
  const added = new Map([...jobs].map(([call, job]) => [call, addOperation(transaction, job, call.operation)]));
  const places = await transaction.operations.flush(transaction, { returned: 'seq' });
  for (const [call, answered] of answers) {
    const own = added.get(answered);
    if (!own) outcomes.set(call, queueFullError(call.maxQueued));
    else
      outcomes.set(
        call,
        operationOf({ response: null, ...own.job, ...own.operation, seq: places.get(own.operation.id) ?? 0 }),
      );
  }
  return outcomes;
}

/** The Jobs of calls, but for those for which the queue is too long. */
async function jobsFor(
  transaction: JobTransaction,
  calls: readonly AddCall[],
  waiting: number,
): Promise<Map<AddCall, JobRow>> {
  const jobs = new Map<AddCall, JobRow>();
  const queue = { waiting };
  for (let open = calls; open.length > 0;) {
    const round = await Round.begin(transaction, open);
    for (const call of open) {
      const job = round.join(call) ?? round.make(call, queue);
      if (job) jobs.set(call, job);
    }
    // Somebody else may have made the same at this moment: whoever wanted that one joins it in the next round.
    const lost = await round.end();
    open = open.filter((call) => lost.has(jobs.get(call)?.id ?? ''));
    for (const call of open) jobs.delete(call);
    queue.waiting -= lost.size;
  }
  return jobs;
}

/** One attempt to find or make the Jobs of calls. */
class Round {
  readonly #transaction: JobTransaction;
  readonly #places: JobPlaces;
  readonly #shared: Map<string, JobRow>;
  readonly #made = new Map<string, JobRow>();

  private constructor(transaction: JobTransaction, places: JobPlaces, shared: Map<string, JobRow>) {
    this.#transaction = transaction;
    this.#places = places;
    this.#shared = shared;
  }

  static async begin(transaction: JobTransaction, calls: readonly AddCall[]): Promise<Round> {
    const keys = calls.flatMap(({ job }) => sharedKeyOf(job) ?? []);
    const found = await transaction.lockJobs({ column: 'shared_key', values: keys });
    const shared = new Map(found.flatMap((job) => (job.shared_key === null ? [] : [[job.shared_key, job] as const])));
    const flows = calls.filter(({ job }) => !job.response).map(flowOf);
    return new Round(transaction, await JobPlaces.load(transaction, flows), shared);
  }

  /** Finds a Job in flight that does for a call as well, and makes it as urgent. */
  join(call: AddCall): JobRow | undefined {
    const { priority } = call.job;
    const job = this.#shared.get(sharedKeyOf(call.job) ?? '');
    if (!job) return undefined;
    const { jobs } = this.#transaction;
    if (priority < job.priority) jobs.change(job, { priority });
    const flow = flowOf(call);
    if (!isWaitingRow(job) || job.platform_key !== flow.platformKey || job.flow_key === flow.flowKey) return job;
    const place = this.#places.placeOf(flow, job.priority);
    if (place.rank >= job.rank) return job;
    jobs.change(job, { ...place, flow_key: flow.flowKey });
    this.#places.take(flow, place);
    return job;
  }

  /** Makes a Job, unless as many are waiting as the call admits. */
  make(call: AddCall, queue: { waiting: number }): JobRow | undefined {
    if (!call.job.response && queue.waiting >= call.maxQueued) return undefined;
    const job = this.#newJob(call);
    if (isWaitingRow(job)) queue.waiting += 1;
    this.#made.set(job.id, job);
    if (job.shared_key !== null) this.#shared.set(job.shared_key, job);
    return job;
  }

  /** Adds the Jobs that were made. Returns the ids of those that somebody else has made, too. */
  async end(): Promise<Set<string>> {
    const { jobs, events } = this.#transaction;
    const added = await jobs.flush(this.#transaction, { conflict: '(shared_key)' });
    const lost = new Set<string>();
    for (const job of this.#made.values()) {
      if (!added.has(job.id)) {
        jobs.drop(job.id);
        lost.add(job.id);
      } else if (isWaitingRow(job)) {
        const { platform_key: platformKey, affinity_key: affinityKey } = job;
        events.push({ type: 'queued', platformKey, delayMs: 0, affinityKey: affinityKey ?? undefined });
      }
    }
    return lost;
  }

  #newJob(call: AddCall): JobRow {
    const { nowMs, jobs } = this.#transaction;
    const { job } = call;
    const flow = flowOf(call);
    const place = job.response ? { rank: 0, finish: 0 } : this.#places.placeOf(flow, job.priority);
    if (!job.response) this.#places.take(flow, place);
    return jobs.add({
      ...place,
      id: randomUUID(),
      action_digest: String(job.actionDigest),
      platform_key: job.platformKey,
      flow_key: flow.flowKey,
      affinity_key: job.affinityKey ?? null,
      priority: job.priority,
      is_cacheable: job.isCacheable,
      shared_key: sharedKeyOf(job) ?? null,
      stage: job.response ? Stage.Completed : Stage.Queued,
      lease_id: null,
      attempts: 0,
      avoided_bot_id: null,
      queued_at_ms: nowMs,
      ready_at_ms: nowMs,
      leased_at_ms: null,
      started_at_ms: null,
      completed_at_ms: job.response ? nowMs : null,
      response: job.response ?? null,
    });
  }
}

/** What Jobs that may be shared are found by; `undefined` for the others. */
function sharedKeyOf({ isShared, response, actionDigest }: NewJob): string | undefined {
  return isShared && !response ? actionDigest.key : undefined;
}

/** Who shares the bots fairly: builds, where clients tell them apart, else instances. */
function flowOf({ job, operation }: AddCall): Flow {
  const { toolInvocationId, correlatedInvocationsId } = operation.labels;
  const named = [
    ['invocation', toolInvocationId],
    ['correlated', correlatedInvocationsId],
  ].find(([, id]) => id !== '');
  return { platformKey: job.platformKey, flowKey: (named ?? ['instance', operation.instanceName]).join(':') };
}

function addOperation(transaction: JobTransaction, job: JobRow, made: NewOperation): Added {
  const { instanceName, hints, labels, watchedForMs } = made;
  const operation = transaction.operations.add({
    id: randomUUID(),
    job_id: job.id,
    instance_name: instanceName,
    hints,
    tool_invocation_id: labels.toolInvocationId,
    correlated_invocations_id: labels.correlatedInvocationsId,
    action_mnemonic: labels.actionMnemonic,
    target_id: labels.targetId,
    cancelled_at_ms: null,
  });
  if (watchedForMs !== undefined && job.stage !== Stage.Completed)
    transaction.watches.add({ operation_id: operation.id, until_ms: transaction.nowMs + watchedForMs });
  return { job, operation };
}

/** A call whose Action is quarantined, with its answer; any other as it is. */
function unlessQuarantined(call: AddCall, killers: Queue['killers'], nowMs: number): AddCall {
  const { response, actionDigest, quarantineMs = 0 } = call.job;
  const killer = response ? undefined : killers.get(String(actionDigest));
  if (!killer || killer.since_ms + quarantineMs <= nowMs) return call;
  return { ...call, job: { ...call.job, response: quarantinedResponse(killingActionOf(killer), quarantineMs) } };
}

/** What decides whether Jobs are added. */
interface Queue {
  /** How many Jobs wait. */
  readonly waiting: number;
  /** Those of the wanted Actions that bots vanished with. */
  readonly killers: ReadonlyMap<string, KillingActionRow>;
}

type QueueRow = { readonly waiting: number; readonly action_digest: string | null } & KillingActionRow;

/** Both in one statement, for it is in everybody's way. */
async function loadQueue({ sql, dialect }: JobTransaction, calls: readonly AddCall[]): Promise<Queue> {
  const digests = calls.filter(({ job }) => job.quarantineMs).map(({ job }) => String(job.actionDigest));
  const { text, bindings } = dialect.isIn('action_digest', [...new Set(digests)]);
  const rows = await rowsOf<QueueRow>(
    sql,
    `SELECT CAST(coalesce(sum(waiting), 0) AS bigint) AS waiting, NULL AS action_digest,
       NULL AS deaths, 0 AS attempts, CAST(0 AS bigint) AS since_ms
     FROM waiting_counts
     UNION ALL
     SELECT 0, action_digest, deaths, attempts, since_ms FROM killing_actions
     WHERE ${text}`,
    bindings,
  );
  const waiting = rows.reduce((sum, row) => sum + row.waiting, 0);
  return {
    waiting,
    killers: new Map(rows.flatMap((row) => (row.action_digest === null ? [] : [[row.action_digest, row]]))),
  };
}
