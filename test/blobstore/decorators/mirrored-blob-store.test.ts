import assert from 'node:assert/strict';
import { Code } from '../../../src/common/code.js';
import { MemoryBlobStore } from '../../../src/blobstore/backends/memory-blob-store.js';
import { BlobNotFoundError } from '../../../src/blobstore/blob-store.js';
import { MirroredBlobStore } from '../../../src/blobstore/decorators/mirrored-blob-store.js';
import { VerifyingBlobStore } from '../../../src/blobstore/decorators/verifying-blob-store.js';
import { readBlob } from '../../../src/blobstore/read-blob.js';
import { bytesOnce, collectBytes } from '../../../src/common/async-iteration.js';
import { Digest } from '../../../src/digest/digest.js';
import { chunks } from '../../helpers/chunks.js';
import { FailingBlobStore } from '../../helpers/failing-blob-store.js';
import { hasCode } from '../../helpers/has-code.js';
import { RecordingLogger } from '../../helpers/recording-logger.js';
import { describeBlobStore } from '../contract/blob-store.js';

describeBlobStore('MirroredBlobStore', () => new MirroredBlobStore(new MemoryBlobStore(), new MemoryBlobStore()));

describe('MirroredBlobStore', () => {
  const digest = Digest.of(Buffer.from('blob'));
  const unknown = Digest.of(Buffer.from('unknown'));
  let sides: [FailingBlobStore, FailingBlobStore];
  let logger: RecordingLogger;
  let store: MirroredBlobStore;

  beforeEach(() => {
    sides = [new FailingBlobStore(new MemoryBlobStore()), new FailingBlobStore(new MemoryBlobStore())];
    logger = new RecordingLogger();
    store = new MirroredBlobStore(...sides, logger);
  });

  for (const lost of [0, 1] as const) {
    const kept = lost === 0 ? 1 : 0;

    describe(`whose side ${lost} has lost a blob`, () => {
      beforeEach(() => sides[kept].write(digest, chunks('blob')));

      it('has it copied back by findMissing', async () => {
        assert.deepEqual(await store.findMissing([unknown, digest]), [unknown]);

        assert.equal(String(await readBlob(sides[lost], digest)), 'blob');
      });

      it('reads it', async () => {
        assert.equal(String(await readBlob(store, digest)), 'blob');
        assert.equal(String(await collectBytes(store.read(digest, { offset: 1, limit: 2 }))), 'lo');
      });
    });

    describe(`whose side ${lost} is down`, () => {
      beforeEach(async () => {
        await store.write(digest, chunks('blob'));
        sides[lost].isDown = true;
      });

      it('goes on with reads, and finds what is there', async () => {
        assert.equal(String(await readBlob(store, digest)), 'blob');
        assert.equal(String(await readBlob(store, digest)), 'blob');
        assert.deepEqual(await store.findMissing([digest]), []);
      });

      it('refuses writes with UNAVAILABLE', async () => {
        const data = Buffer.from('unknown');

        await assert.rejects(store.write(unknown, bytesOnce(data)), hasCode(Code.Unavailable));
        await assert.rejects(store.writeBatch([{ digest: unknown, data }]), hasCode(Code.Unavailable));
      });

      it('never says that a blob is missing which the other side may have', async () => {
        await assert.rejects(store.findMissing([digest, unknown]), hasCode(Code.Unavailable));
        await assert.rejects(readBlob(store, unknown), hasCode(Code.Unavailable));
      });

      it('tells the log once when it goes and once when it is back', async () => {
        await readBlob(store, digest);
        await store.findMissing([digest]);
        sides[lost].isDown = false;
        await store.findMissing([digest]);
        await store.findMissing([digest]);

        assert.deepEqual(
          logger.lines.map(({ level }) => level),
          ['error', 'info'],
        );
      });
    });
  }

  it('copies a blob back to the side that lacks it when it is read', async () => {
    await sides[1].write(digest, chunks('blob'));

    await readBlob(store, digest);

    assert.equal(String(await readBlob(sides[0], digest)), 'blob');
  });

  it('replaces a damaged blob by the good one of the other side (D2)', async () => {
    const rotten = new MemoryBlobStore();
    await rotten.write(digest, chunks('bl0b'));
    store = new MirroredBlobStore(new VerifyingBlobStore(rotten), sides[1]);
    await sides[1].write(digest, chunks('blob'));

    assert.equal(String(await readBlob(store, digest)), 'blob');

    assert.equal(String(await readBlob(rotten, digest)), 'blob');
  });

  it('does not ask a side again and again that has just failed a read', async () => {
    await store.write(digest, chunks('blob'));
    sides[0].isDown = true;
    await readBlob(store, digest);
    const asked = sides[0].reads;

    await readBlob(store, digest);

    assert.equal(sides[0].reads, asked);
  });

  it('says that a blob is absent when both sides say so', async () => {
    await assert.rejects(readBlob(store, unknown), BlobNotFoundError);
  });

  it('fails when both sides are down', async () => {
    for (const side of sides) side.isDown = true;

    await assert.rejects(store.findMissing([digest]), hasCode(Code.Unavailable));
    await assert.rejects(readBlob(store, digest), hasCode(Code.Unavailable));
  });
});
