import type { ActionCache } from '../actioncache/action-cache.js';
import { Code, codeName, codeOf } from '../common/code.js';
import type { Logger } from '../common/logger.js';
import { reapi, type rpc } from '../proto/index.js';
import { encodeResponse } from './execute-responses.js';
import { stampMetadata } from './execution-metadata.js';
import type { LeasedJob } from './job-store.js';
import type { LeaseState, Verdict } from './lease.js';

/** What a bot says of one of its Leases, as it came. */
export interface ReportedLease {
  readonly id: string;
  readonly state: LeaseState;
  readonly status: rpc.Status.$Properties | undefined;
  /** `undefined` if there is none, or none that can be read. */
  readonly result: reapi.ActionResult.$Properties | undefined;
}

/** What a {@link LeaseJudge} depends on. */
export interface LeaseJudgeOptions {
  readonly actionCache: ActionCache | undefined;
  /** Whether results with a non-zero exit code are cached, too. */
  readonly cacheFailedActions: boolean;
  readonly logger: Logger;
}

/** Decides what a finished Lease means for its Job, and caches what may be cached. */
export class LeaseJudge {
  readonly #options: LeaseJudgeOptions;

  constructor(options: LeaseJudgeOptions) {
    this.#options = options;
  }

  /** Judges a report that is COMPLETED. A result that may be cached is in the ActionCache when this resolves. */
  async judge(report: ReportedLease, job: LeasedJob, botId: string): Promise<Verdict> {
    const error = faultOfWorker(report);
    if (error !== undefined) return { kind: 'retry', error };
    const { status, result } = report;
    const stamped = result && reapi.ActionResult.create(stampMetadata(result, { queuedAtMs: job.queuedAtMs, botId }));
    if (stamped && codeOf(status?.code) === Code.Ok) await this.#cache(job, stamped);
    const response = { ...(stamped && { result: stamped }), ...(status && { status }) };
    return { kind: 'done', response: encodeResponse(response) };
  }

  /** A cache that cannot be written costs a later build some time; it must not cost this one its result. */
  async #cache({ isCacheable, actionDigest }: LeasedJob, result: reapi.ActionResult): Promise<void> {
    const { actionCache, cacheFailedActions, logger } = this.#options;
    if (!actionCache || !isCacheable || (result.exitCode !== 0 && !cacheFailedActions)) return;
    try {
      await actionCache.update(actionDigest, result);
    } catch (err) {
      logger.warn({ err, action: String(actionDigest) }, 'Result not written to the action cache');
    }
  }
}

/** These are about the action, and would be the same on any worker (RW-10). */
const actionsFaults: readonly Code[] = [Code.DeadlineExceeded, Code.InvalidArgument];

/** What went wrong in the worker, so that another attempt may help; `undefined` if the Job is done (RW-10). */
function faultOfWorker({ status, result }: ReportedLease): string | undefined {
  const { code, message, details } = { message: '', ...status, code: codeOf(status?.code) };
  if (code === Code.Ok) return result ? undefined : 'it reported success, but no result that can be read';
  if (actionsFaults.includes(code)) return undefined;
  // Without details or a result it only means that this worker could not take it.
  if (code === Code.FailedPrecondition && (result ?? details?.[0])) return undefined;
  return `${codeName(code)}: ${message ?? ''}`;
}
