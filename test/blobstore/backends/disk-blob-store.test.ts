import assert from 'node:assert/strict';
import { mkdir, readFile, readdir, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Code } from '../../../src/common/code.js';
import { DiskBlobStore, type DiskBlobStoreOptions } from '../../../src/blobstore/backends/disk-blob-store.js';
import { readBlob } from '../../../src/blobstore/read-blob.js';
import { Digest } from '../../../src/digest/digest.js';
import { SHA1 } from '../../../src/digest/digest-function.js';
import { chunks } from '../../helpers/chunks.js';
import { hasCode } from '../../helpers/has-code.js';
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
    it('keeps a large blob as FUNCTION/aa/HASH-SIZE, small ones in packs, and says what the folder is', async () => {
      const largest = Buffer.alloc(64 * 1024, 'small');
      const large = Buffer.alloc(64 * 1024 + 1, 'large');

      for (const data of [largest, large]) await store.write(Digest.of(data), chunks(data));

      assert.ok(large.equals(await readFile(fileOf(Digest.of(large)))));
      await assert.rejects(readFile(fileOf(Digest.of(largest))), { code: 'ENOENT' });
      assert.ok((await readdir(join(path, 'packs'))).length > 0);
      assert.equal(await readFile(join(path, 'format'), 'utf8'), 'bgd-blobs 2\n');
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
      const data = patternedBytes(100_000);
      const large = Digest.of(data);
      await store.write(large, chunks(data));
      await writeFile(join(path, 'sha256', 'README'), 'not a folder');
      await writeFile(join(path, 'sha256', '00', 'README'), 'not a blob');
      await writeFile(join(path, 'sha256', '00', `${hello.hash.toUpperCase()}-5`), 'hello');

      await reopen();

      assert.deepEqual(await store.findMissing([large]), []);
      const listed: Digest[] = [];
      for await (const digest of store.list()) listed.push(digest);
      assert.deepEqual(listed, [large]);
    });

    it('refuses a folder of an unknown format, naming both formats', async () => {
      await store[Symbol.asyncDispose]();
      await writeFile(join(path, 'format'), 'bgd-blobs 99\n');

      await assert.rejects(open(), (reason: Error) => {
        assert.match(reason.message, /"bgd-blobs 99", not "bgd-blobs 2": it was written by a newer version/);
        return hasCode(Code.FailedPrecondition)(reason);
      });

      await writeFile(join(path, 'format'), 'bgd-bot 1\n');
      await assert.rejects(open(), /for another purpose/);

      await writeFile(join(path, 'format'), 'bgd-blobs 2\n');
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
});
