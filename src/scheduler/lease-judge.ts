import type { ActionCache } from '../actioncache/action-cache.js';
import { Code, codeName, codeOf } from '../common/code.js';
import type { Logger } from '../common/logger.js';
import { StatusError } from '../common/status-error.js';
import type { DigestFunction } from '../digest/digest-function.js';
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

/** Puts the bytes that a result carries where blobs live, and digests in their place. */
export type StoreInlined = (
  result: reapi.ActionResult.$Properties,
  fn: DigestFunction,
) => Promise<reapi.ActionResult.$Properties>;

/** Whose report is judged. */
export interface JudgeContext {
  readonly job: LeasedJob;
  readonly botId: string;
  readonly storeInlined: StoreInlined;
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
  async judge(report: ReportedLease, context: JudgeContext): Promise<Verdict> {
    const error = faultOfWorker(report);
    if (error !== undefined) return { kind: 'retry', error };
    const { status, result } = report;
    if (!result) return { kind: 'done', response: encodeResponse({ ...(status && { status }) }) };
    try {
      const stored = await complete(result, context);
      if (codeOf(status?.code) === Code.Ok) await this.#cache(context.job, stored);
      return { kind: 'done', response: encodeResponse({ result: stored, ...(status && { status }) }) };
    } catch (reason) {
      const { code, message } = StatusError.from(reason);
      // A store that is out of order is not the bot's fault: it reports again.
      if (code !== Code.InvalidArgument) throw reason;
      return { kind: 'retry', error: message };
    }
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

async function complete(
  result: reapi.ActionResult.$Properties,
  { job, botId, storeInlined }: JudgeContext,
): Promise<reapi.ActionResult> {
  const { queuedAtMs, actionDigest } = job;
  const stored = await storeInlined(result, actionDigest.function);
  return reapi.ActionResult.create(stampMetadata(stored, { queuedAtMs, botId }));
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
