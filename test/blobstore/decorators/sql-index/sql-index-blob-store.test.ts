import assert from 'node:assert/strict';
import { MemoryBlobStore } from '../../../../src/blobstore/backends/memory-blob-store.js';
import { BlobNotFoundError, type BlobStore } from '../../../../src/blobstore/blob-store.js';
import { useIntervalMs } from '../../../../src/blobstore/decorators/sql-index/blob-index.js';
import { leastAgeMs } from '../../../../src/blobstore/decorators/sql-index/blob-removals.js';
import {
  SqlIndexBlobStore,
  type SqlIndexOptions,
} from '../../../../src/blobstore/decorators/sql-index/sql-index-blob-store.js';
import { VerifyingBlobStore } from '../../../../src/blobstore/decorators/verifying-blob-store.js';
import { readBlob } from '../../../../src/blobstore/read-blob.js';
import { Code } from '../../../../src/common/code.js';
import { Lifecycle } from '../../../../src/common/lifecycle.js';
import { Digest } from '../../../../src/digest/digest.js';
import type { Database } from '../../../../src/sql/database.js';
import { chunks } from '../../../helpers/chunks.js';
import { databaseKinds } from '../../../helpers/database-kinds.js';
import { FailingBlobStore } from '../../../helpers/failing-blob-store.js';
import { FakeClock } from '../../../helpers/fake-clock.js';
import { hasCode } from '../../../helpers/has-code.js';
import { IndexTable } from '../../../helpers/index-table.js';
import { until } from '../../../helpers/until.js';

const hour = 3_600_000;

for (const { kind, open } of databaseKinds) {
  describe(`SqlIndexBlobStore on ${kind}`, function () {
    this.timeout(60_000);
    const hello = Digest.of(Buffer.from('hello'));
    const other = Digest.of(Buffer.from('other'));
    const lifecycle = new Lifecycle();
    let database: Database;
    let table: IndexTable;
    let memory: MemoryBlobStore;

    before(async () => {
      database = await open();
      table = await IndexTable.of(database);
    });

    after(() => database[Symbol.asyncDispose]());

    beforeEach(async () => {
      await table.clear();
      memory = new MemoryBlobStore();
    });

    afterEach(() => lifecycle[Symbol.asyncDispose]());

    async function indexed(
      blobs: BlobStore = memory,
      options: Partial<SqlIndexOptions> = {},
    ): Promise<SqlIndexBlobStore> {
      return lifecycle.use(await SqlIndexBlobStore.open(blobs, { database, ...options }));
    }

    describe('finding', () => {
      it('does not ask the storage', async () => {
        const storage = new FailingBlobStore(memory);
        const store = await indexed(storage);
        await store.write(hello, chunks('hello'));

        storage.isDown = true;

        assert.deepEqual(await store.findMissing([hello, other]), [other]);
      });

      it('has the empty blob, and does not enter it (DIG-6)', async () => {
        const store = await indexed(new VerifyingBlobStore(memory));

        await store.write(Digest.empty(), chunks());
        await store.writeBatch([{ digest: Digest.empty(), data: Buffer.alloc(0) }]);

        assert.deepEqual(await store.findMissing([Digest.empty()]), []);
        assert.deepEqual(await table.keys(), []);
      });

      it('writes down that a blob is used, unless that was done a short while ago', async () => {
        const store = await indexed();
        await store.write(hello, chunks('hello'));
        await store.write(other, chunks('other'));
        await table.age(hello, hour);
        await table.age(other, useIntervalMs / 2);

        assert.deepEqual(await store.findMissing([hello, other]), []);

        assert.ok((await table.ageOf(hello)) < 60_000);
        assert.ok((await table.ageOf(other)) >= useIntervalMs / 2);
      });

      it('takes more digests than one statement does', async () => {
        const store = await indexed(memory, { window: 7 });
        const blobs = Array.from({ length: 50 }, (_, index) => Buffer.from(`blob ${index}`));
        const digests = blobs.map((data) => Digest.of(data));
        await store.writeBatch(blobs.map((data, index) => ({ digest: digests[index]!, data })));

        assert.deepEqual(await store.findMissing([...digests, other, ...digests]), [other]);
      });

      it('says how many blobs there are, and how many bytes they have', async () => {
        const store = await indexed();
        await store.write(hello, chunks('hello'));
        await store.write(other, chunks('other'));

        assert.deepEqual(await store.stats(), { blobs: 2, sizeBytes: 10 });
      });
    });

    describe('reading', () => {
      it('writes down later that a blob was used', async () => {
        const store = await SqlIndexBlobStore.open(memory, { database });
        await store.write(hello, chunks('hello'));
        await table.age(hello, hour);

        await readBlob(store, hello);
        await readBlob(store, hello);
        await store[Symbol.asyncDispose]();

        assert.ok((await table.ageOf(hello)) < 60_000);
      });

      it('writes uses down by itself after a second', async () => {
        const clock = new FakeClock();
        const store = await indexed(memory, { clock });
        await store.write(hello, chunks('hello'));
        await table.age(hello, hour);
        await readBlob(store, hello);

        clock.advance(1_000);

        await until(async () => (await table.ageOf(hello)) < 60_000);
      });

      it('forgets a blob that the storage turns out to have lost', async () => {
        const store = await indexed();
        await store.write(hello, chunks('hello'));
        await memory.delete([hello]);
        assert.deepEqual(await store.findMissing([hello]), []);

        await assert.rejects(readBlob(store, hello), BlobNotFoundError);

        assert.deepEqual(await store.findMissing([hello]), [hello]);
      });

      it('forgets a blob that the storage turns out to have damaged (D2)', async () => {
        const store = await indexed(new VerifyingBlobStore(memory));
        const large = Buffer.alloc(2 * 1024 * 1024, 'large');
        const digest = Digest.of(large);
        await store.write(digest, chunks(String(large)));
        await memory.delete([digest]);
        await memory.write(digest, chunks('X', String(large.subarray(1))));

        await assert.rejects(readBlob(store, digest), hasCode(Code.DataLoss));

        assert.deepEqual(await store.findMissing([digest]), [digest]);
      });

      it('does not forget a blob when the storage is away', async () => {
        const storage = new FailingBlobStore(memory);
        const store = await indexed(storage);
        await store.write(hello, chunks('hello'));
        storage.isDown = true;

        await assert.rejects(readBlob(store, hello), hasCode(Code.Unavailable));

        assert.deepEqual(await store.findMissing([hello]), []);
      });

      for (const fallsBackOnGet of [true, false]) {
        it(`${fallsBackOnGet ? 'enters' : 'does not enter'} what only the storage has, as it is told`, async () => {
          const store = await SqlIndexBlobStore.open(memory, { database, fallsBackOnGet });
          await memory.write(hello, chunks('hello'));

          assert.equal(String(await readBlob(store, hello)), 'hello');
          await store[Symbol.asyncDispose]();

          assert.deepEqual(await table.keys(), fallsBackOnGet ? [hello.key] : []);
        });
      }

      it('does not enter what has gone from the storage by then', async () => {
        const store = await SqlIndexBlobStore.open(memory, { database, fallsBackOnGet: true });
        await memory.write(hello, chunks('hello'));
        await readBlob(store, hello);

        await memory.delete([hello]);
        await store[Symbol.asyncDispose]();

        assert.deepEqual(await table.keys(), []);
      });
    });

    describe('writing', () => {
      it('enters nothing that the storage did not take', async () => {
        const storage = new FailingBlobStore(memory);
        const store = await indexed(storage);
        storage.isDown = true;

        await assert.rejects(store.write(hello, chunks('hello')), hasCode(Code.Unavailable));

        assert.deepEqual(await table.keys(), []);
      });

      it('lets many write the same blobs, by batch and by stream, in any order', async () => {
        const stores = [await indexed(), await indexed()];
        const blobs = Array.from({ length: 100 }, (_, index) => {
          const data = Buffer.from(`blob ${index}`);
          return { digest: Digest.of(data), data };
        });

        await Promise.all(
          Array.from({ length: 20 }, async (_, writer) => {
            const store = stores[writer % 2]!;
            const mine = [...blobs.slice(writer * 5), ...blobs.slice(0, writer * 5)];
            const ordered = writer % 3 === 0 ? mine.reverse() : mine;
            const outcomes = await store.writeBatch(ordered);
            assert.ok(outcomes.every((outcome) => outcome === undefined));
            await Promise.all(
              ordered.slice(0, 10).map(({ digest, data }) => store.write(digest, chunks(String(data)))),
            );
            assert.deepEqual(await store.findMissing(ordered.map(({ digest }) => digest)), []);
          }),
        );

        assert.equal((await table.keys()).length, 100);
      });

      it('waits until the removal of the same blob is over', async () => {
        const storage = new SlowlyDeletingBlobStore(memory);
        const [remover, writer] = [await indexed(storage), await indexed(storage)];
        await writer.write(hello, chunks('hello'));

        const removing = remover.delete([hello]);
        await until(() => storage.isDeleting);
        assert.deepEqual(await writer.findMissing([hello]), [hello]);
        const writing = Promise.all([
          writer.write(hello, chunks('hello')),
          writer.writeBatch([{ digest: hello, data: Buffer.from('hello') }]),
        ]);
        storage.finish();
        await Promise.all([removing, writing]);

        assert.deepEqual(await writer.findMissing([hello]), []);
        assert.equal(String(await readBlob(writer, hello)), 'hello');
      });

      it('does not wait for ever for a removal', async () => {
        const clock = new FakeClock();
        const store = await indexed(memory, { clock });
        await table.insert(hello, { ageMs: hour, leavesInMs: 60_000 });

        const writing = store.write(hello, chunks('hello'));
        const given = assert.rejects(writing, { code: Code.Unavailable, message: /is being removed; try again/ });
        await until(() => clock.sleepers > 0);
        clock.advance(15_000);

        await given;
      });

      it('takes over from a removal whose process died', async () => {
        const store = await indexed();
        await table.insert(hello, { ageMs: hour, leavesInMs: -1 });
        assert.deepEqual(await store.findMissing([hello]), [hello]);

        await store.write(hello, chunks('hello'));

        assert.deepEqual(await store.findMissing([hello]), []);
      });

      it('refuses an upload that took so long that its blob was removed meanwhile', async () => {
        const clock = new FakeClock();
        const store = await indexed(memory, { clock });
        async function* slow(): AsyncIterable<Uint8Array> {
          yield Buffer.from('hel');
          clock.advance(leastAgeMs);
          yield Buffer.from('lo');
        }
        const storage = memory.write.bind(memory);
        memory.write = async (digest, content, signal) => {
          await storage(digest, content, signal);
          await memory.delete([digest]);
        };

        await assert.rejects(store.write(hello, slow()), { code: Code.Unavailable, message: /upload it again/ });

        assert.deepEqual(await store.findMissing([hello]), [hello]);
      });
    });

    describe('deleting', () => {
      it('takes a blob out of the index before the storage, whatever becomes of the storage', async () => {
        const storage = new FailingBlobStore(memory);
        const store = await indexed(storage);
        await store.write(hello, chunks('hello'));
        storage.isDown = true;

        await assert.rejects(store.delete([hello]), hasCode(Code.Unavailable));

        assert.deepEqual(await store.findMissing([hello]), [hello]);
      });

      it('deletes what only the storage has', async () => {
        const store = await indexed();
        await memory.write(hello, chunks('hello'));

        await store.delete([hello, hello]);

        assert.deepEqual(await memory.findMissing([hello]), [hello]);
        assert.deepEqual(await table.keys(), []);
      });
    });
  });
}

/** Deletes only when it is told to finish. */
class SlowlyDeletingBlobStore extends FailingBlobStore {
  isDeleting = false;
  finish: () => void = () => undefined;
  readonly #finished = new Promise<void>((resolve) => (this.finish = resolve));

  override async delete(digests: readonly Digest[]): Promise<void> {
    this.isDeleting = true;
    await this.#finished;
    await super.delete(digests);
  }
}
