import assert from 'node:assert/strict';
import { MemoryBlobStore } from '../../../src/blobstore/backends/memory-blob-store.js';
import { SizeSplittingBlobStore } from '../../../src/blobstore/decorators/size-splitting-blob-store.js';
import { Digest } from '../../../src/digest/digest.js';
import { chunks } from '../../helpers/chunks.js';
import { describeBlobStore } from '../contract/blob-store.js';

describeBlobStore(
  'SizeSplittingBlobStore',
  () =>
    new SizeSplittingBlobStore({ small: new MemoryBlobStore(), large: new MemoryBlobStore(), thresholdBytes: 1_000 }),
);

describe('SizeSplittingBlobStore', () => {
  it('keeps blobs up to the threshold in the one store and larger ones in the other', async () => {
    const [small, large] = [new MemoryBlobStore(), new MemoryBlobStore()];
    const store = new SizeSplittingBlobStore({ small, large, thresholdBytes: 4 });
    const [four, five] = [Digest.of(Buffer.from('four')), Digest.of(Buffer.from('fives'))];

    await store.write(four, chunks('four'));
    await store.writeBatch([{ digest: five, data: Buffer.from('fives') }]);

    assert.deepEqual(await small.findMissing([four, five]), [five]);
    assert.deepEqual(await large.findMissing([four, five]), [four]);
  });
});
