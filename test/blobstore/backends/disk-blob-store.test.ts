import assert from 'node:assert/strict';
import { appendFile, chmod, mkdir, readFile, readdir, rm, truncate, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Code } from '../../../src/common/code.js';
import { BlobNotFoundError } from '../../../src/blobstore/blob-store.js';
import { DiskBlobStore, type DiskBlobStoreOptions } from '../../../src/blobstore/backends/disk-blob-store.js';
import { VerifyingBlobStore } from '../../../src/blobstore/decorators/verifying-blob-store.js';
import { readBlob } from '../../../src/blobstore/read-blob.js';
import { Digest } from '../../../src/digest/digest.js';
import { SHA1 } from '../../../src/digest/digest-function.js';
import { chunks } from '../../helpers/chunks.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { hasCode } from '../../helpers/has-code.js';
import { RecordingLogger } from '../../helpers/recording-logger.js';
import { temporaryDirectory } from '../../helpers/temporary-directory.js';
import { describeBlobStore, failing, inChunks, patternedBytes } from '../contract/blob-store.js';

describeBlobStore('DiskBlobStore', async () => {
  const folder = await temporaryDirectory();
  const store = await DiskBlobStore.open({ path: folder.path });
  const close = store[Symbol.asyncDispose].bind(store);
  return Object.assign(store, {
    [Symbol.asyncDispose]: async () => {
      await close();
      await folder[Symbol.asyncDispose]();
    },
  });
});

describe('DiskBlobStore', () => {
  const hello = Digest.of(Buffer.from('hello'));
  let folder: Awaited<ReturnType<typeof temporaryDirectory>>;
  let path: string;
  let store: DiskBlobStore;

  const open = async (options: Partial<DiskBlobStoreOptions> = {}): Promise<DiskBlobStore> => {
    store = await DiskBlobStore.open({ path, ...options });
    return store;
  };
  const reopen = async (options: Partial<DiskBlobStoreOptions> = {}): Promise<DiskBlobStore> => {
    await store[Symbol.asyncDispose]();
    return open(options);
  };
  const fileOf = (digest: Digest): string =>
    join(path, digest.function.segment, digest.hash.slice(0, 2), `${digest.hash}-${digest.sizeBytes}`);

  beforeEach(async () => {
    folder = await temporaryDirectory();
    path = join(folder.path, 'made', 'when missing');
    await open();
  });

  afterEach(async () => {
    await store[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  describe('on the disk', () => {
    it('keeps a blob as FUNCTION/aa/HASH-SIZE, and says what the folder is', async () => {
      await store.write(hello, chunks('hello'));

      assert.equal(await readFile(fileOf(hello), 'utf8'), 'hello');
      assert.equal(await readFile(join(path, 'format'), 'utf8'), 'bgd-blobs 1\n');
    });

    it('holds its blobs, streamed and batched, of any function, after it was opened again (D1)', async () => {
      const data = patternedBytes(2 * 1024 * 1024);
      const large = Digest.of(data);
      const sha1 = Digest.of(Buffer.from('hello'), SHA1);
      await store.write(large, inChunks(data, 16_384));
      await store.writeBatch([
        { digest: hello, data: Buffer.from('hello') },
        { digest: sha1, data: Buffer.from('hello') },
      ]);

      await reopen();

      assert.deepEqual(await store.findMissing([hello, sha1, large]), []);
      assert.ok(data.equals(await readBlob(store, large)));
      assert.equal(String(await readBlob(store, sha1)), 'hello');
    });

    it('leaves no temporary file behind, whether writes succeed or fail (D3)', async () => {
      await store.write(hello, chunks('hello'));
      const other = Digest.of(Buffer.from('other'));
      await assert.rejects(store.write(other, failing()));
      await assert.rejects(store.write(other, chunks('o')));
      await store.writeBatch([{ digest: other, data: Buffer.from('o') }]);

      assert.deepEqual(await readdir(join(path, 'tmp')), []);
    });

    it('sweeps out at the start what a crash left half-written (D3)', async () => {
      await writeFile(join(path, 'tmp', 'left-over'), 'half');

      await reopen();

      assert.deepEqual(await readdir(join(path, 'tmp')), []);
    });

    it('takes no notice of files that are no blobs', async () => {
      await store.write(hello, chunks('hello'));
      await writeFile(join(path, 'sha256', '00', 'README'), 'not a blob');
      await writeFile(join(path, 'sha256', '00', `${hello.hash.toUpperCase()}-5`), 'hello');

      await reopen();

      assert.deepEqual(await store.findMissing([hello]), []);
    });

    it('refuses a folder of an unknown format, naming both formats', async () => {
      await store[Symbol.asyncDispose]();
      await writeFile(join(path, 'format'), 'bgd-blobs 99\n');

      await assert.rejects(open(), (reason: Error) => {
        assert.match(reason.message, /"bgd-blobs 99", not "bgd-blobs 1"/);
        return hasCode(Code.FailedPrecondition)(reason);
      });

      await writeFile(join(path, 'format'), 'bgd-blobs 1\n');
      await open();
    });

    it('refuses a folder that holds something else, and leaves it alone', async () => {
      const strange = join(folder.path, 'strange');
      await mkdir(strange);
      await writeFile(join(strange, 'thesis.txt'), 'precious');

      await assert.rejects(DiskBlobStore.open({ path: strange }), /"thesis.txt".*use an empty folder/);

      assert.equal(await readFile(join(strange, 'thesis.txt'), 'utf8'), 'precious');
    });
  });

  describe('damage', () => {
    it('reports a truncated blob as absent and puts its file aside (CAS-4)', async () => {
      const logger = new RecordingLogger();
      await reopen({ logger });
      await store.write(hello, chunks('hello'));
      await unlock(fileOf(hello));
      await truncate(fileOf(hello), 2);

      await assert.rejects(readBlob(store, hello), BlobNotFoundError);

      assert.deepEqual(await store.findMissing([hello]), [hello]);
      assert.deepEqual(await readdir(join(path, 'quarantine')), [`sha256-${hello.hash}-5`]);
      assert.equal(logger.lines.length, 1);
      await store.write(hello, chunks('hello'));
      assert.equal(String(await readBlob(store, hello)), 'hello');
    });

    it('reports a blob that grew as absent', async () => {
      await store.write(hello, chunks('hello'));
      await unlock(fileOf(hello));
      await appendFile(fileOf(hello), '!');

      await assert.rejects(readBlob(store, hello), BlobNotFoundError);
    });

    it('repairs its index when a file has vanished, and takes the blob again', async () => {
      await store.write(hello, chunks('hello'));
      await unlink(fileOf(hello));

      await assert.rejects(readBlob(store, hello), BlobNotFoundError);

      assert.deepEqual(await store.findMissing([hello]), [hello]);
      await store.write(hello, chunks('hello'));
      assert.equal(String(await readBlob(store, hello)), 'hello');
    });

    it('never serves a flipped bit through a verifying store (D2)', async () => {
      const data = patternedBytes(2 * 1024 * 1024);
      const large = Digest.of(data);
      await store.write(hello, chunks('hello'));
      await store.write(large, inChunks(data, 65_536));
      await flipBit(fileOf(hello), 1);
      await flipBit(fileOf(large), 1_500_000);
      const verifying = new VerifyingBlobStore(store);

      await assert.rejects(readBlob(verifying, hello), BlobNotFoundError);
      await assert.rejects(readBlob(verifying, large), hasCode(Code.DataLoss));

      assert.deepEqual(await verifying.findMissing([hello, large]), [hello, large]);
    });

    it('does not keep damaged files without end', async () => {
      const blobs = Array.from({ length: 103 }, (_, index) => {
        const data = Buffer.from(`blob ${index}`);
        return { digest: Digest.of(data), data };
      });
      await store.writeBatch(blobs);

      for (const { digest } of blobs) {
        await unlock(fileOf(digest));
        await truncate(fileOf(digest), 0);
        await assert.rejects(readBlob(store, digest), BlobNotFoundError);
      }

      assert.equal((await readdir(join(path, 'quarantine'))).length, 100);
    });

    it('reports a disk that cannot be written as UNAVAILABLE, logs it once, and heals by itself (U5)', async () => {
      const logger = new RecordingLogger();
      await reopen({ logger });
      await rm(join(path, 'tmp'), { recursive: true });

      await assert.rejects(store.write(hello, chunks('hello')), hasCode(Code.Unavailable));
      const [outcome] = await store.writeBatch([{ digest: hello, data: Buffer.from('hello') }]);
      assert.equal(outcome?.code, Code.Unavailable);
      await mkdir(join(path, 'tmp'));
      await store.write(hello, chunks('hello'));

      assert.deepEqual(
        logger.lines.map(({ message }) => message),
        ['Blobs cannot be stored', 'Blobs can be stored again'],
      );
    });
  });

  describe('with a budget', () => {
    const blob = (text: string): { digest: Digest; data: Buffer } => {
      const data = Buffer.from(text.padEnd(100, '.'));
      return { digest: Digest.of(data), data };
    };
    const store10 = async (clock = new FakeClock()): Promise<FakeClock> => {
      await reopen({ maxBytes: 1000, clock });
      return clock;
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

    it('evicts what was not used for the longest time', async () => {
      await store10();
      const [first, second] = await fill(0, 9);
      await readBlob(store, first!);

      await fill(9, 11);

      const missing = await store.findMissing([first!, second!]);
      assert.deepEqual(missing, [second]);
      await assert.rejects(readFile(fileOf(second!)), { code: 'ENOENT' });
    });

    it('never evicts what findMissing has promised in the last 30 minutes (D4)', async () => {
      const clock = await store10();
      const promised = await fill(0, 8);
      assert.deepEqual(await store.findMissing(promised), []);

      clock.advance(29 * 60_000);
      await fill(8, 40);

      for (const digest of promised) assert.equal((await readBlob(store, digest)).length, 100);
    });

    it('refuses writes with RESOURCE_EXHAUSTED while everything is promised, and takes them afterwards', async () => {
      const clock = await store10();
      const promised = await fill(0, 9);
      assert.deepEqual(await store.findMissing(promised), []);
      const data = Buffer.alloc(200);
      const digest = Digest.of(data);

      await assert.rejects(store.write(digest, chunks(data)), hasCode(Code.ResourceExhausted));
      const [outcome] = await store.writeBatch([{ digest, data }]);
      assert.equal(outcome?.code, Code.ResourceExhausted);

      clock.advance(30 * 60_000);
      await store.write(digest, chunks(data));
      assert.deepEqual(await store.findMissing([digest]), []);
    });

    it('never evicts what is being read (D4)', async () => {
      await store10();
      const [first] = await fill(0, 9);
      const reader = store.read(first!)[Symbol.asyncIterator]();
      await reader.next();

      await fill(9, 20);

      assert.deepEqual(await store.findMissing([first!]), []);
      await reader.return?.();
    });

    it('refuses a blob larger than the whole budget', async () => {
      await store10();
      const data = Buffer.alloc(1001);

      await assert.rejects(store.write(Digest.of(data), chunks(data)), hasCode(Code.ResourceExhausted));
    });

    it('counts uploads under way, so that they cannot together outgrow the budget', async () => {
      await store10();
      const blobs = Array.from({ length: 3 }, (_, index) => Buffer.alloc(400, index));
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

    it('gives the room of a failed upload back', async () => {
      await store10();
      const data = Buffer.alloc(900);
      for (let attempt = 0; attempt < 5; attempt += 1) {
        await assert.rejects(store.write(Digest.of(data), failing()), hasCode(Code.Unavailable));
      }

      await store.write(Digest.of(data), chunks(data));
    });

    it('comes down to a budget that was made smaller', async () => {
      await store10();
      await fill(0, 9);

      await reopen({ maxBytes: 500, clock: new FakeClock() });
      await reopen({ maxBytes: 500, clock: new FakeClock() });

      const files = (await readdir(join(path, 'sha256'), { recursive: true })).filter((name) => name.includes('-'));
      assert.ok(files.length <= 5, `${files.length} files are left`);
    });
  });
});

/** Blobs are read-only files. */
async function unlock(file: string): Promise<void> {
  await chmod(file, 0o644);
}

async function flipBit(file: string, offset: number): Promise<void> {
  await unlock(file);
  const data = await readFile(file);
  data[offset]! ^= 1;
  await writeFile(file, data);
}
