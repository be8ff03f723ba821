import assert from 'node:assert/strict';
import { Code } from '../../src/common/code.js';
import { Digest } from '../../src/digest/digest.js';
import { missingBlobsError } from '../../src/digest/missing-blobs.js';
import { rpc } from '../../src/proto/index.js';

describe('missingBlobsError', () => {
  it('is FAILED_PRECONDITION with a MISSING violation for each blob, once, and nothing else (EX-9)', () => {
    const digests = ['a', 'b', 'c', 'd', 'a'].map((text) => Digest.of(Buffer.from(text)));

    const error = missingBlobsError(digests);

    assert.equal(error.code, Code.FailedPrecondition);
    assert.equal(error.details.length, 1);
    assert.equal(error.details[0]?.typeUrl, 'type.googleapis.com/google.rpc.PreconditionFailure');
    const { violations } = rpc.PreconditionFailure.decode(error.details[0].value);
    assert.deepEqual(
      violations.map(({ type, subject }) => [type, subject]),
      digests.slice(0, 4).map(({ hash }) => ['MISSING', `blobs/${hash}/1`]),
    );
    assert.match(error.message, /^4 blobs are missing/);
  });
});
