import assert from 'node:assert/strict';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import { BlobNotFoundError } from '../../src/blobstore/blob-store.js';
import { readInputMessage, readMessage } from '../../src/blobstore/read-message.js';
import { missingBlobsOf } from '../../src/client/error-details.js';
import { Code } from '../../src/common/code.js';
import { Digest } from '../../src/digest/digest.js';
import { reapi } from '../../src/proto/index.js';
import { chunks } from '../helpers/chunks.js';
import { hasCode } from '../helpers/has-code.js';

const bytes = reapi.Command.encode({ arguments: ['true'] }).finish();
const digest = Digest.of(bytes);
const command = { what: 'a Command', digest, type: reapi.Command };

describe('readMessage', () => {
  it('decodes a blob', async () => {
    const blobs = new MemoryBlobStore();
    await blobs.write(digest, chunks(bytes));

    assert.deepEqual((await readMessage(blobs, command)).arguments, ['true']);
  });

  it('refuses what does not decode', async () => {
    const blobs = new MemoryBlobStore();
    const other = Digest.of(Buffer.from([0xff]));
    await blobs.write(other, chunks(Buffer.from([0xff])));

    await assert.rejects(readMessage(blobs, { ...command, digest: other }), hasCode(Code.InvalidArgument));
  });

  it('does not even look for a blob that is too large (U4)', async () => {
    await assert.rejects(
      readMessage(new MemoryBlobStore(), { ...command, maxBytes: digest.sizeBytes - 1 }),
      hasCode(Code.InvalidArgument),
    );
  });

  it('throws BlobNotFoundError for an absent blob', async () => {
    await assert.rejects(readMessage(new MemoryBlobStore(), command), BlobNotFoundError);
  });
});

describe('readInputMessage', () => {
  it('names an absent blob as one to be uploaded (EX-9)', async () => {
    await assert.rejects(readInputMessage(new MemoryBlobStore(), command), (reason: unknown) => {
      assert.deepEqual(missingBlobsOf(reason), [digest]);
      return true;
    });
  });
});
