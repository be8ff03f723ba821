import assert from 'node:assert/strict';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { packAny } from '../../src/proto/any.js';
import { rpc } from '../../src/proto/index.js';
import { statusErrorOfMessage, statusMessageOf } from '../../src/proto/status.js';

describe('statusErrorOfMessage', () => {
  it('is undefined for success, set or unset (CAS-5)', () => {
    assert.equal(statusErrorOfMessage(undefined), undefined);
    assert.equal(statusErrorOfMessage(null), undefined);
    assert.equal(statusErrorOfMessage({ code: 0 }), undefined);
  });

  it('keeps code, text and details', () => {
    const details = [packAny('google.rpc.RetryInfo', rpc.RetryInfo, { retryDelay: { seconds: 3 } })];

    const error = statusErrorOfMessage({ code: Code.Unavailable, message: 'Away', details });

    assert.equal(error?.code, Code.Unavailable);
    assert.equal(error.message, 'Away');
    assert.deepEqual(error.details, [{ typeUrl: details[0]!.type_url, value: details[0]!.value }]);
  });

  it('takes a number that is no code for UNKNOWN', () => {
    assert.equal(statusErrorOfMessage({ code: 99 })?.code, Code.Unknown);
  });
});

describe('statusMessageOf', () => {
  it('is OK for no failure', () => {
    assert.deepEqual(statusMessageOf(undefined), { code: Code.Ok });
  });

  it('makes of a failure what statusErrorOfMessage reads', () => {
    const details = [{ typeUrl: 'type.googleapis.com/google.rpc.RetryInfo', value: Buffer.from([1]) }];
    const failure = new StatusError(Code.ResourceExhausted, 'Full', { details });

    const read = statusErrorOfMessage(statusMessageOf(failure));

    assert.equal(read?.code, Code.ResourceExhausted);
    assert.equal(read.message, 'Full');
    assert.deepEqual(read.details, details);
  });
});
