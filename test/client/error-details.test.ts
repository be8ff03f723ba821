import assert from 'node:assert/strict';
import { missingBlobsOf, retryDelayMsOf } from '../../src/client/error-details.js';
import { Code } from '../../src/common/code.js';
import { StatusError, type StatusDetail } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import { missingBlobsError } from '../../src/digest/missing-blobs.js';
import { rpc } from '../../src/proto/index.js';

const digest = Digest.of(Buffer.from('x'));

function detail(name: string, bytes: Uint8Array): StatusDetail {
  return { typeUrl: `type.googleapis.com/google.rpc.${name}`, value: bytes };
}

function failure(
  violations: readonly { type: string; subject: string }[],
  code: Code = Code.FailedPrecondition,
): StatusError {
  const bytes = rpc.PreconditionFailure.encode({ violations: [...violations] }).finish();
  return new StatusError(code, 'No', { details: [detail('PreconditionFailure', bytes)] });
}

describe('missingBlobsOf', () => {
  const missing = { type: 'MISSING', subject: `blobs/${digest.hash}/${digest.sizeBytes}` };

  it('names the blobs that the server misses (EX-9)', () => {
    assert.deepEqual(missingBlobsOf(missingBlobsError([digest])), [digest]);
    assert.deepEqual(missingBlobsOf(missingBlobsError([digest]).wrap('Execution failed')), [digest]);
    assert.deepEqual(missingBlobsOf(failure([{ ...missing, subject: `main/${missing.subject}` }])), [digest]);
  });

  it('names none when uploading them would not help (EX-9)', () => {
    const useless = [
      failure([missing, { type: 'QUOTA', subject: 'disk' }]),
      failure([{ ...missing, subject: 'blobs/nonsense' }]),
      failure([missing], Code.NotFound),
      failure([]),
      new StatusError(Code.FailedPrecondition, 'No', { details: [detail('PreconditionFailure', Buffer.from([0xff]))] }),
      new StatusError(Code.FailedPrecondition, 'No'),
      new Error('No'),
      undefined,
    ];

    for (const reason of useless) assert.deepEqual(missingBlobsOf(reason), []);
  });
});

describe('retryDelayMsOf', () => {
  const asking = (seconds: number, nanos = 0): StatusError => {
    const bytes = rpc.RetryInfo.encode({ retryDelay: { seconds, nanos } }).finish();
    return new StatusError(Code.ResourceExhausted, 'Busy', {
      details: [detail('Help', bytes), detail('RetryInfo', bytes)],
    });
  };

  it('is what the server asks for, within reason (CL-7)', () => {
    assert.equal(retryDelayMsOf(asking(2, 5e8)), 2_500);
    assert.equal(retryDelayMsOf(asking(-1)), 0);
    assert.equal(retryDelayMsOf(asking(1e9)), 60_000);
  });

  it('is 0 where the server asks for nothing', () => {
    assert.equal(retryDelayMsOf(new StatusError(Code.Unavailable, 'Away')), 0);
    assert.equal(retryDelayMsOf('Away'), 0);
  });
});
