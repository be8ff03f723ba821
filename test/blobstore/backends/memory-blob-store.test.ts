import assert from 'node:assert/strict';
import { Code } from '../../../src/common/code.js';
import { MemoryBlobStore } from '../../../src/blobstore/backends/memory-blob-store.js';
import { Digest } from '../../../src/digest/digest.js';
import { readBlob } from '../../../src/blobstore/read-blob.js';
import { chunks } from '../../helpers/chunks.js';
import { hasCode } from '../../helpers/has-code.js';
import { describeBlobStore } from '../contract/blob-store.js';

describeBlobStore('MemoryBlobStore', () => new MemoryBlobStore());

describe('MemoryBlobStore', () => {
  const [a, b, c] = ['aaaa', 'bbbb', 'cccc'].map((text) => Digest.of(Buffer.from(text))) as [Digest, Digest, Digest];

  it('drops the least recently used blob when its budget is used up', async () => {
    const store = new MemoryBlobStore({ maxBytes: 10 });
    await store.write(a, chunks('aaaa'));
    await store.write(b, chunks('bbbb'));
    await readBlob(store, a);

    await store.write(c, chunks('cccc'));

    assert.deepEqual(await store.findMissing([a, b, c]), [b]);
  });

  it('refuses a blob larger than the budget by name, streamed or in a batch', async () => {
    const store = new MemoryBlobStore({ maxBytes: 3 });

    await assert.rejects(store.write(a, chunks('aaaa')), hasCode(Code.ResourceExhausted));
    const [outcome] = await store.writeBatch([{ digest: a, data: Buffer.from('aaaa') }]);

    assert.equal(outcome?.code, Code.ResourceExhausted);
    assert.deepEqual(await store.findMissing([a]), [a]);
  });

  it('takes no more at a time than it keeps, and forgets what did not come to its end (U4)', async () => {
    const store = new MemoryBlobStore({ maxBytes: 6 });
    let breakOff: (reason: Error) => void = () => undefined;
    const stalled = store.write(
      a,
      (async function* () {
        yield Buffer.from('aaa');
        await new Promise((_, reject) => (breakOff = reject));
      })(),
    );
    await assert.rejects(store.write(b, chunks('bbbb')), hasCode(Code.ResourceExhausted));

    breakOff(new Error('gave up'));
    await assert.rejects(stalled, /gave up/);

    await store.write(b, chunks('bbbb'));
    assert.deepEqual(await store.findMissing([a, b]), [a]);
  });

  it('does not hold on to the message that a batch came in', async () => {
    const store = new MemoryBlobStore();
    const message = Buffer.from('....aaaa....');
    await store.writeBatch([{ digest: a, data: message.subarray(4, 8) }]);

    message.fill('x');

    assert.equal(String(await readBlob(store, a)), 'aaaa');
  });

  it('stores the empty blob too', async () => {
    const store = new MemoryBlobStore();
    await store.write(Digest.empty(), chunks());

    assert.deepEqual(await store.findMissing([Digest.empty()]), []);
    assert.equal((await readBlob(store, Digest.empty())).length, 0);
  });

  it('tells how much it holds', async () => {
    const store = new MemoryBlobStore({ maxBytes: 10 });
    await store.write(a, chunks('aaaa'));
    await store.write(b, chunks('bbbb'));

    assert.deepEqual(await store.stats(), { blobs: 2, sizeBytes: 8, maxBytes: 10 });
  });
});
