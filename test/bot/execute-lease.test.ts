import assert from 'node:assert/strict';
import type { ActionExecutor, ActionRequest } from '../../src/bot/action-executor.js';
import { executeLease } from '../../src/bot/execute-lease.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import { SHA1 } from '../../src/digest/digest-function.js';
import { missingBlobsError } from '../../src/digest/missing-blobs.js';
import { packAny, unpackAny } from '../../src/proto/any.js';
import { reapi } from '../../src/proto/index.js';

const resultName = 'build.bazel.remote.execution.v2.ActionResult';
const digest = Digest.of(Buffer.from('action'));
const payload = packAny('build.bazel.remote.execution.v2.Digest', reapi.Digest, digest.toProto());
const { signal } = new AbortController();

const failing = (reason: Error): ActionExecutor => ({ execute: () => Promise.reject(reason) });

describe('executeLease', () => {
  it('takes the Digest of an Action, its function inferred from the length (RW-8, RW-9)', async () => {
    const requests: ActionRequest[] = [];
    const executor: ActionExecutor = {
      execute: async (request) => {
        requests.push(request);
        return { result: {} };
      },
    };
    const sha1 = Digest.of(Buffer.from('action'), SHA1);

    await executeLease(payload, executor, signal);
    await executeLease(
      packAny('build.bazel.remote.execution.v2.Digest', reapi.Digest, sha1.toProto()),
      executor,
      signal,
    );

    assert.ok(requests[0]?.digest.equals(digest));
    assert.ok(requests[1]?.digest.equals(sha1));
  });

  it('takes an Action itself (RW-8)', async () => {
    let request: ActionRequest | undefined;
    const action = { commandDigest: digest.toProto(), inputRootDigest: Digest.empty().toProto() };
    const executor: ActionExecutor = {
      execute: async (given) => {
        request = given;
        return { result: {} };
      },
    };

    await executeLease(packAny('build.bazel.remote.execution.v2.Action', reapi.Action, action), executor, signal);

    assert.equal(request?.action?.commandDigest?.hash, digest.hash);
    assert.ok(request.digest.equals(Digest.of(reapi.Action.encode(action).finish())));
  });

  it('reports whatever exit code as OK, with the result', async () => {
    const executor: ActionExecutor = { execute: () => Promise.resolve({ result: { exitCode: 3 } }) };

    const { status, result } = await executeLease(payload, executor, signal);

    assert.equal(status?.code, Code.Ok);
    assert.equal(unpackAny(resultName, reapi.ActionResult, result)?.exitCode, 3);
  });

  it('reports a fault beside the result (RW-10)', async () => {
    const fault = new StatusError(Code.DeadlineExceeded, 'too slow');
    const executor: ActionExecutor = { execute: () => Promise.resolve({ result: { exitCode: 143 }, fault }) };

    const { status, result } = await executeLease(payload, executor, signal);

    assert.equal(status?.code, Code.DeadlineExceeded);
    assert.equal(status.message, 'too slow');
    assert.equal(unpackAny(resultName, reapi.ActionResult, result)?.exitCode, 143);
  });

  it('reports missing blobs with their details and without a result (EX-9)', async () => {
    const { status, result } = await executeLease(payload, failing(missingBlobsError([digest])), signal);

    assert.equal(status?.code, Code.FailedPrecondition);
    assert.equal(status.details?.[0]?.type_url, 'type.googleapis.com/google.rpc.PreconditionFailure');
    assert.equal(result, undefined);
  });

  for (const name of ['DeadlineExceeded', 'Cancelled', 'ResourceExhausted', 'NotFound', 'DataLoss'] as const) {
    it(`reports ${name} of a call to the CAS as UNAVAILABLE, so that the job is repeated (RW-10)`, async () => {
      const { status } = await executeLease(payload, failing(new StatusError(Code[name], 'of the CAS')), signal);

      assert.deepEqual([status?.code, status?.message], [Code.Unavailable, 'of the CAS']);
    });
  }

  it('leaves the faults of the action and of the worker as they are', async () => {
    for (const code of [Code.InvalidArgument, Code.FailedPrecondition, Code.Unavailable, Code.Internal]) {
      assert.equal((await executeLease(payload, failing(new StatusError(code, 'text')), signal)).status?.code, code);
    }
    assert.equal((await executeLease(payload, failing(new TypeError('bug')), signal)).status?.code, Code.Internal);
  });

  it('passes on a lease whose payload it does not know, and refuses a digest that is none', async () => {
    const strange = { type_url: 'type.googleapis.com/other.Thing', value: Buffer.from('x') };
    const bad = packAny('build.bazel.remote.execution.v2.Digest', reapi.Digest, { hash: '../../etc', sizeBytes: 1 });

    assert.equal(
      (await executeLease(strange, failing(new Error('not run')), signal)).status?.code,
      Code.FailedPrecondition,
    );
    assert.equal(
      (await executeLease(undefined, failing(new Error('not run')), signal)).status?.code,
      Code.FailedPrecondition,
    );
    assert.equal((await executeLease(bad, failing(new Error('not run')), signal)).status?.code, Code.InvalidArgument);
  });
});
