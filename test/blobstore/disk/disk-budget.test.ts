import assert from 'node:assert/strict';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { DiskBlobStore } from '../../../src/blobstore/backends/disk-blob-store.js';
import { readBlob } from '../../../src/blobstore/read-blob.js';
import { Code } from '../../../src/common/code.js';
import { Digest } from '../../../src/digest/digest.js';
import { chunks } from '../../helpers/chunks.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { hasCode } from '../../helpers/has-code.js';
import { temporaryDirectory } from '../../helpers/temporary-directory.js';
import { until } from '../../helpers/until.js';
import { failing } from '../contract/blob-store.js';

/** Small blobs share packs, large ones are files. */
for (const [kind, blobBytes] of [
  ['packed blobs', 10_000],
  ['files', 100_000],
] as const) {
  describe(`DiskBlobStore with room for nine ${kind}`, () => {
    let folder: Awaited<ReturnType<typeof temporaryDirectory>>;
    let path: string;
    let clock: FakeClock;
    let store: DiskBlobStore;

    beforeEach(async () => {
      folder = await temporaryDirectory();
      path = folder.path;
      clock = new FakeClock();
      store = await DiskBlobStore.open({ path, maxBytes: 10 * blobBytes, clock });
    });

    afterEach(async () => {
      await store[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    });

    const reopen = async (maxBytes: number): Promise<void> => {
      await store[Symbol.asyncDispose]();
      store = await DiskBlobStore.open({ path, maxBytes, clock });
    };
    const blob = (text: string): { digest: Digest; data: Buffer } => {
      const data = Buffer.alloc(blobBytes, text);
      return { digest: Digest.of(data), data };
    };
    const fill = async (from: number, to: number): Promise<Digest[]> => {
      const digests: Digest[] = [];
      for (let index = from; index < to; index += 1) {
        const { digest, data } = blob(`blob ${index}`);
        await store.write(digest, chunks(data));
        digests.push(digest);
      }
      return digests;
    };
    /** What all that belongs to blobs takes on the disk. */
    const bytesOnDisk = async (): Promise<number> => {
      const names = await readdir(path, { recursive: true });
      const stats = await Promise.all(
        names
          .filter((name) => /pack$|-\d+$/.test(name))
          .map((name) => stat(join(path, name)).catch(() => ({ size: 0 }))), // It may go under our eyes.
      );
      return stats.reduce((sum, { size }) => sum + size, 0);
    };

    it('evicts what was not used for the longest time', async () => {
      const [first, second] = await fill(0, 9);
      await readBlob(store, first!);

      await fill(9, 11);

      await until(async () => (await bytesOnDisk()) <= 9.1 * blobBytes);
      const missing = await store.findMissing([first!, second!]);
      assert.deepEqual(missing, [second]);
      await reopen(10 * blobBytes);
      assert.deepEqual(await store.findMissing([first!, second!]), [second]);
    });

    it('never evicts what findMissing has promised in the last 30 minutes, also before a restart (D4)', async () => {
      const promised = await fill(0, 7);
      assert.deepEqual(await store.findMissing(promised), []);

      clock.advance(29 * 60_000);
      await fill(8, 40);
      await reopen(10 * blobBytes);
      await fill(40, 60);

      for (const digest of promised) assert.equal((await readBlob(store, digest)).length, blobBytes);
    });

    it('refuses writes with RESOURCE_EXHAUSTED while everything is promised, and takes them afterwards', async () => {
      const promised = await fill(0, 9);
      assert.deepEqual(await store.findMissing(promised), []);
      const { digest, data } = blob('another');
      await fill(9, 10).catch(() => undefined);

      await assert.rejects(store.write(digest, chunks(data)), hasCode(Code.ResourceExhausted));
      const [outcome] = await store.writeBatch([{ digest, data }]);
      assert.equal(outcome?.code, Code.ResourceExhausted);

      clock.advance(30 * 60_000);
      await store.write(digest, chunks(data));
      assert.deepEqual(await store.findMissing([digest]), []);
    });

    it('never evicts what is being read (D4)', async () => {
      const [first] = await fill(0, 9);
      const reader = store.read(first!)[Symbol.asyncIterator]();
      await reader.next();

      await fill(9, 20);

      assert.deepEqual(await store.findMissing([first!]), []);
      await reader.return?.();
    });

    it('evicts again what was read to its end', async () => {
      const [first] = await fill(0, 9);
      await readBlob(store, first!);

      await fill(9, 30);

      assert.deepEqual(await store.findMissing([first!]), [first]);
    });

    it('gives the room of a failed upload back', async () => {
      const { digest, data } = blob('in the end');
      for (let attempt = 0; attempt < 20; attempt += 1) {
        await assert.rejects(store.write(digest, failing()), hasCode(Code.Unavailable));
      }

      await store.write(digest, chunks(data));
      await fill(0, 8);
      assert.deepEqual(await store.findMissing([digest]), []);
    });

    it('gives the room of deleted blobs back', async () => {
      const promised = await fill(0, 9);
      assert.deepEqual(await store.findMissing(promised), []);

      await store.delete(promised.slice(2));
      await fill(20, 26);

      assert.deepEqual(await store.findMissing(promised), promised.slice(2));
    });

    it('comes down to a budget that was made smaller', async () => {
      await fill(0, 9);
      await reopen(5 * blobBytes);

      await until(async () => (await bytesOnDisk()) <= 5 * blobBytes);
    });
  });
}

describe('DiskBlobStore with a budget of 1 MB', () => {
  let folder: Awaited<ReturnType<typeof temporaryDirectory>>;
  let store: DiskBlobStore;

  beforeEach(async () => {
    folder = await temporaryDirectory();
    store = await DiskBlobStore.open({ path: folder.path, maxBytes: 1_000_000 });
  });

  afterEach(async () => {
    await store[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  it('refuses a blob larger than the whole budget', async () => {
    const data = Buffer.alloc(1_000_001);

    await assert.rejects(store.write(Digest.of(data), chunks(data)), hasCode(Code.ResourceExhausted));
  });

  it('counts uploads under way, so that they cannot together outgrow the budget', async () => {
    const blobs = Array.from({ length: 3 }, (_, index) => Buffer.alloc(400_000, index));
    let open = 0;
    let release: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const slow = async function* (data: Buffer): AsyncIterable<Uint8Array> {
      open += 1;
      if (open === 2) release();
      await gate;
      yield data;
    };

    const outcomes = await Promise.allSettled(blobs.map((data) => store.write(Digest.of(data), slow(data))));

    assert.deepEqual(outcomes.map(({ status }) => status).sort(), ['fulfilled', 'fulfilled', 'rejected']);
  });
});
