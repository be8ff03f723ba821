import assert from 'node:assert/strict';
import { collectBytes } from '../../../src/common/async-iteration.js';
import { Code } from '../../../src/common/code.js';
import { MemoryBlobStore } from '../../../src/blobstore/backends/memory-blob-store.js';
import { BlobNotFoundError } from '../../../src/blobstore/blob-store.js';
import { ReadCachingBlobStore } from '../../../src/blobstore/decorators/read-caching-blob-store.js';
import { readBlob } from '../../../src/blobstore/read-blob.js';
import { Digest } from '../../../src/digest/digest.js';
import { chunks } from '../../helpers/chunks.js';
import { FailingBlobStore } from '../../helpers/failing-blob-store.js';
import { hasCode } from '../../helpers/has-code.js';
import { RecordingLogger } from '../../helpers/recording-logger.js';
import { describeBlobStore } from '../contract/blob-store.js';

describeBlobStore('ReadCachingBlobStore', () => new ReadCachingBlobStore(new MemoryBlobStore(), new MemoryBlobStore()));

describe('ReadCachingBlobStore', () => {
  const digest = Digest.of(Buffer.from('blob'));
  let cache: FailingBlobStore;
  let durable: FailingBlobStore;
  let logger: RecordingLogger;
  let store: ReadCachingBlobStore;

  beforeEach(() => {
    cache = new FailingBlobStore(new MemoryBlobStore());
    durable = new FailingBlobStore(new MemoryBlobStore());
    logger = new RecordingLogger();
    store = new ReadCachingBlobStore(cache, durable, logger);
  });

  it('serves a second read after the durable store has lost the blob', async () => {
    await durable.write(digest, chunks('blob'));

    await readBlob(store, digest);
    await durable.delete([digest]);

    assert.equal(String(await readBlob(store, digest)), 'blob');
  });

  it('lets the durable store alone say what exists', async () => {
    await cache.write(digest, chunks('blob'));

    assert.deepEqual(await store.findMissing([digest]), [digest]);
  });

  it('reads a part without filling the cache', async () => {
    await durable.write(digest, chunks('blob'));

    assert.equal(String(await collectBytes(store.read(digest, { offset: 1, limit: 2 }))), 'lo');

    assert.deepEqual(await cache.findMissing([digest]), [digest]);
  });

  it('keeps nothing in the cache of a read that stops early', async () => {
    await durable.write(digest, chunks('blob'));

    for await (const chunk of store.read(digest)) if (chunk.length > 0) break;

    assert.deepEqual(await cache.findMissing([digest]), [digest]);
  });

  it('fills both by writes, streamed and in a batch', async () => {
    const other = Digest.of(Buffer.from('other'));

    await store.write(digest, chunks('bl', 'ob'));
    await store.writeBatch([{ digest: other, data: Buffer.from('other') }]);

    assert.deepEqual(await cache.findMissing([digest, other]), []);
    assert.deepEqual(await durable.findMissing([digest, other]), []);
  });

  it('acknowledges no write that the durable store did not take, and keeps nothing of it in the cache (D1, D3)', async () => {
    durable.isDown = true;

    await assert.rejects(store.write(digest, chunks('blob')), hasCode(Code.Unavailable));
    await assert.rejects(store.writeBatch([{ digest, data: Buffer.from('blob') }]), hasCode(Code.Unavailable));

    assert.deepEqual(await cache.findMissing([digest]), [digest]);
  });

  it('takes back from the cache what was not stored in the end', async () => {
    const writing = store.write(
      digest,
      (async function* () {
        yield Buffer.from('blob');
        durable.isDown = true;
      })(),
    );

    await assert.rejects(writing, hasCode(Code.Unavailable));

    assert.deepEqual(await cache.findMissing([digest]), [digest]);
  });

  it('goes on without a cache that is down, and tells the log once', async () => {
    cache.isDown = true;

    await store.write(digest, chunks('blob'));
    const [outcome] = await store.writeBatch([{ digest, data: Buffer.from('blob') }]);
    const read = await readBlob(store, digest);

    assert.equal(outcome, undefined);
    assert.equal(String(read), 'blob');
    assert.equal(logger.lines.filter(({ level }) => level === 'error').length, 1);
  });

  it('serves blobs that are too large for the cache', async () => {
    store = new ReadCachingBlobStore(new MemoryBlobStore({ maxBytes: 3 }), durable, logger);

    await store.write(digest, chunks('blob'));

    assert.equal(String(await readBlob(store, digest)), 'blob');
    assert.deepEqual(logger.lines, []);
  });

  it('brings a bounded number of streams into the cache at a time, and serves the others without it (U4)', async () => {
    const blobs = Array.from({ length: 70 }, (_, index) => Buffer.from(`blob ${index}`));
    const digests = blobs.map((data) => Digest.of(data));
    for (const data of blobs) await durable.write(Digest.of(data), chunks(String(data)));
    const readers = digests.map((each) => store.read(each)[Symbol.asyncIterator]());

    const firsts = await Promise.all(readers.map((reader) => reader.next()));
    await Promise.all(readers.map((reader) => reader.next()));

    assert.deepEqual(
      firsts.map(({ value }) => String(value)),
      blobs.map(String),
    );
    assert.equal((await cache.findMissing(digests)).length, 70 - 64);
  });

  it('throws the trouble of the durable store, not that the blob is absent', async () => {
    durable.isDown = true;

    await assert.rejects(readBlob(store, digest), hasCode(Code.Unavailable));
  });

  it('forgets in both', async () => {
    await store.write(digest, chunks('blob'));

    await store.delete([digest]);

    await assert.rejects(readBlob(store, digest), BlobNotFoundError);
  });
});
