import assert from 'node:assert/strict';
import { Code } from '../../src/common/code.js';
import { silentLogger } from '../../src/common/logger.js';
import { missingBlobsError } from '../../src/digest/missing-blobs.js';
import { reapi } from '../../src/proto/index.js';
import { millisecondsOf, secondsAndNanosOf } from '../../src/proto/timestamp.js';
import { LeaseJudge, type ReportedLease } from '../../src/scheduler/lease-judge.js';
import type { Verdict } from '../../src/scheduler/lease.js';
import { actionNamed } from '../helpers/jobs.js';
import { finished } from '../helpers/scheduler-bench.js';

const job = { leaseId: 'lease', actionDigest: actionNamed('a'), isCacheable: true, queuedAtMs: 5_000 };

function judge(report: Partial<ReportedLease>): Promise<Verdict> {
  const judging = new LeaseJudge({ actionCache: undefined, cacheFailedActions: false, logger: silentLogger });
  return judging.judge(finished('lease', report), { job, botId: 'bot', storeInlined: async (result) => result });
}

async function responseTo(report: Partial<ReportedLease>): Promise<reapi.ExecuteResponse> {
  const verdict = await judge(report);
  assert.ok(verdict.kind === 'done', JSON.stringify(verdict));
  return reapi.ExecuteResponse.decode(verdict.response);
}

const [missing] = missingBlobsError([actionNamed('input')]).details;
const details = [{ type_url: missing!.typeUrl, value: missing!.value }];
const none = { result: undefined };

describe('LeaseJudge (RW-10)', () => {
  for (const [title, report] of [
    ['a result', {}],
    ['a result and a status of OK', { status: { code: Code.Ok } }],
    ['a timeout with what there was', { status: { code: Code.DeadlineExceeded } }],
    ['a timeout with nothing', { ...none, status: { code: Code.DeadlineExceeded } }],
    ['a command that cannot run', { ...none, status: { code: Code.InvalidArgument } }],
    ['missing inputs', { ...none, status: { code: Code.FailedPrecondition, details } }],
    ['an output of the wrong kind', { status: { code: Code.FailedPrecondition } }],
  ] as const) {
    it(`takes ${title} for the end of the job`, async () => {
      const { status } = await responseTo(report);

      assert.equal(status?.code ?? Code.Ok, 'status' in report ? report.status.code : Code.Ok);
    });
  }

  for (const [title, report] of [
    ['success without a result', none],
    ['CANCELLED unasked', { ...none, status: { code: Code.Cancelled } }],
    ['UNAVAILABLE', { ...none, status: { code: Code.Unavailable } }],
    ['INTERNAL, even with a result', { status: { code: Code.Internal } }],
    ['UNKNOWN', { ...none, status: { code: Code.Unknown } }],
    ['a full disk', { ...none, status: { code: Code.ResourceExhausted } }],
    ['a job that the bot could not take', { ...none, status: { code: Code.FailedPrecondition } }],
    ['a code that is none', { ...none, status: { code: 99 } }],
  ] as const) {
    it(`takes ${title} for the fault of the worker`, async () => {
      assert.equal((await judge(report as Partial<ReportedLease>)).kind, 'retry');
    });
  }

  it('passes the details of a status on to the client, so that it uploads what is missing (EX-9)', async () => {
    const { status } = await responseTo({ ...none, status: { code: Code.FailedPrecondition, message: 'm', details } });

    assert.equal(status?.message, 'm');
    assert.equal(status.details?.[0]?.type_url, missing!.typeUrl);
  });

  it("adds when the job was queued, and keeps the worker's stamps (EX-14)", async () => {
    const executionMetadata = { worker: 'w', workerStartTimestamp: secondsAndNanosOf(6_000) };

    const { result } = await responseTo({ result: reapi.ActionResult.create({ executionMetadata }) });

    const metadata = result?.executionMetadata;
    assert.equal(metadata?.worker, 'w');
    assert.equal(millisecondsOf(metadata.queuedTimestamp), 5_000);
    assert.equal(millisecondsOf(metadata.workerStartTimestamp), 6_000);
  });

  it('lets no stamp go backwards when the clock of the worker goes after ours (EX-14)', async () => {
    const executionMetadata = {
      workerStartTimestamp: secondsAndNanosOf(4_000),
      queuedTimestamp: secondsAndNanosOf(9_000),
    };

    const { result } = await responseTo({ result: reapi.ActionResult.create({ executionMetadata }) });

    assert.equal(millisecondsOf(result?.executionMetadata?.queuedTimestamp), 4_000);
  });

  it('drops stamps that are there but zero, and names the worker that tells no name (EX-14, AC-7)', async () => {
    const executionMetadata = { inputFetchStartTimestamp: {} };

    const { result } = await responseTo({ result: reapi.ActionResult.create({ executionMetadata }) });

    assert.equal(result?.executionMetadata?.worker, 'bot');
    assert.equal(result.executionMetadata.inputFetchStartTimestamp ?? undefined, undefined);
  });
});
