import assert from 'node:assert/strict';
import { appendFile, chmod, mkdir, readFile, readdir, rm, statfs, truncate, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Code } from '../../../src/common/code.js';
import { BlobNotFoundError } from '../../../src/blobstore/blob-store.js';
import { DiskBlobStore, type DiskBlobStoreOptions } from '../../../src/blobstore/backends/disk-blob-store.js';
import { VerifyingBlobStore } from '../../../src/blobstore/decorators/verifying-blob-store.js';
import { readBlob } from '../../../src/blobstore/read-blob.js';
import { Digest } from '../../../src/digest/digest.js';
import { SHA1 } from '../../../src/digest/digest-function.js';
import { chunks } from '../../helpers/chunks.js';
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

  it('keeps half of what was free when it was empty, also after blobs have come', async () => {
    const data = Buffer.alloc(1024 * 1024, 'x');
    const { maxBytes } = store;

    await store.write(Digest.of(data), chunks(data));
    await reopen();

    const { bavail, bsize } = await statfs(path);
    const halfOfAll = (data.length + bavail * bsize) / 2;
    // Others use the disk, too.
    assert.ok(Math.abs(maxBytes - halfOfAll) < halfOfAll / 10, `${maxBytes} is far from ${halfOfAll}`);
    assert.ok(Math.abs(store.maxBytes - halfOfAll) < halfOfAll / 10, `${store.maxBytes} is far from ${halfOfAll}`);
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

  it('refuses a file where a folder is wanted, in one line', async () => {
    const file = join(folder.path, 'file');
    await writeFile(file, '');

    for (const wrong of [file, join(file, 'below')]) {
      await assert.rejects(DiskBlobStore.open({ path: wrong }), (reason: Error) => {
        assert.match(reason.message, /a folder is wanted/);
        return hasCode(Code.FailedPrecondition)(reason);
      });
    }
  });

  it('ends well when many write the same blobs at once, in batches and streams', async () => {
    const blobs = Array.from({ length: 40 }, (_, index) => {
      const data = Buffer.from(`blob ${index}`);
      return { digest: Digest.of(data), data };
    });
    const writers = Array.from({ length: 10 }, (_, index) =>
      index % 3 === 2
        ? Promise.all(blobs.map(({ digest, data }) => store.write(digest, chunks(data))))
        : store.writeBatch(index % 2 === 0 ? blobs : [...blobs].reverse()),
    );

    const outcomes = (await Promise.all(writers)).flat();

    assert.ok(outcomes.every((outcome) => outcome === undefined));
    assert.deepEqual(await store.findMissing(blobs.map(({ digest }) => digest)), []);
    assert.deepEqual(await readdir(join(path, 'tmp')), []);
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
