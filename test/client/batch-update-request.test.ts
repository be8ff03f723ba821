import assert from 'node:assert/strict';
import { encodeBatchUpdate } from '../../src/client/batch-update-request.js';
import { Digest } from '../../src/digest/digest.js';
import { BLAKE3, loadDigestFunctions, SHA1, SHA256, SHA512 } from '../../src/digest/digest-function.js';
import { reapi } from '../../src/proto/index.js';

describe('encodeBatchUpdate', () => {
  before(loadDigestFunctions);

  for (const fn of [SHA256, SHA1, SHA512, BLAKE3]) {
    it(`writes what the generated code writes, for ${fn.name}`, () => {
      const blobs = [1, 63, 64, 127, 128, 129, 16_383, 16_384, 200_000].map((length) => {
        const data = Buffer.alloc(length, length % 251);
        return { data, digest: Digest.of(data, fn) };
      });
      for (const instanceName of ['', 'main', 'ein/ä', 'n'.repeat(200)]) {
        const encoded = encodeBatchUpdate(instanceName, blobs, fn.value);

        const requests = blobs.map(({ digest, data }) => ({ digest: digest.toProto(), data }));
        const message = { instanceName, requests, digestFunction: fn.value };
        assert.ok(encoded.equals(reapi.BatchUpdateBlobsRequest.encode(message).finish()));
      }
    });
  }

  it('leaves out a function that is not to be named, and takes no blobs at all', () => {
    const data = Buffer.from('blob');

    assert.equal(encodeBatchUpdate('', [], 0).length, 0);
    const decoded = reapi.BatchUpdateBlobsRequest.decode(encodeBatchUpdate('', [{ data, digest: Digest.of(data) }], 0));
    assert.equal(decoded.digestFunction, 0);
    assert.equal(String(decoded.requests[0]?.data), 'blob');
  });

  it('writes sizes beyond 32 bits', () => {
    const digest = Digest.from('0'.repeat(64), 2 ** 40 + 129);

    const decoded = reapi.BatchUpdateBlobsRequest.decode(encodeBatchUpdate('', [{ digest, data: Buffer.alloc(1) }], 0));

    assert.equal(decoded.requests[0]?.digest?.sizeBytes, 2 ** 40 + 129);
  });
});
