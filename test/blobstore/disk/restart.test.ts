import assert from 'node:assert/strict';
import { mkdir, readFile, readdir, rename, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { MemoryBlobStore } from '../../../src/blobstore/backends/memory-blob-store.js';
import { SizeSplittingBlobStore } from '../../../src/blobstore/decorators/size-splitting-blob-store.js';
import { VerifyingBlobStore } from '../../../src/blobstore/decorators/verifying-blob-store.js';
import { readBlob } from '../../../src/blobstore/read-blob.js';
import { Digest } from '../../../src/digest/digest.js';
import { SHA1, SHA512 } from '../../../src/digest/digest-function.js';
import { chunks } from '../../helpers/chunks.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { RecordingLogger } from '../../helpers/recording-logger.js';
import { until } from '../../helpers/until.js';
import { patternedBytes } from '../contract/blob-store.js';
import { DiskSite, unlock } from './disk-site.js';

describe('A DiskBlobStore that is opened again', () => {
  let site: DiskSite;
  let logger: RecordingLogger;

  beforeEach(async () => {
    logger = new RecordingLogger();
    site = await DiskSite.open({ logger });
  });

  afterEach(() => site[Symbol.asyncDispose]());

  const put = async (names: readonly string[], sizeBytes = 100): Promise<Digest[]> => {
    const digests: Digest[] = [];
    for (const name of names) digests.push(await site.put(Buffer.alloc(sizeBytes, name)));
    return digests;
  };

  it('has all blobs, of any function, small and large, and lists each once', async () => {
    const texts = ['one', 'two', 'three', 'x'.repeat(100_000)];
    const digests = await Promise.all(texts.map((text) => site.put(text)));
    for (const fn of [SHA1, SHA512]) {
      const digest = Digest.of(Buffer.from('one'), fn);
      await site.store.write(digest, chunks('one'));
      digests.push(digest);
    }

    await site.reopen();

    for (const digest of digests) assert.equal((await readBlob(site.store, digest)).length, digest.sizeBytes);
    assert.deepEqual(await listed(site), digests.map(String).sort());
    assert.equal(site.store.count, digests.length);
  });

  it('knows large blobs before their names are read, and counts no more than there are', async () => {
    const digests = await put(['a', 'b', 'c'], 100_000);

    await site.reopen();
    const [a, b, c] = digests;
    assert.deepEqual(await site.store.findMissing([a!, b!]), []);
    assert.equal((await readBlob(site.store, c!)).length, 100_000);
    await site.store.write(a!, unread());

    assert.deepEqual(await listed(site), digests.map(String).sort());
    assert.equal((await site.store.stats()).sizeBytes, 300_000);
  });

  it('is asked in memory only once it knows all names, also through what stands before it', async () => {
    const [a, b] = await put(['a', 'b'], 100_000);
    const clock = new FakeClock();
    const unreadable = join(site.path, a!.function.segment, 'loop');
    await site.reopen({ clock, maxBytes: 1_000_000 }, () => symlink('loop', unreadable));
    const before = [
      site.store,
      new VerifyingBlobStore(site.store),
      new SizeSplittingBlobStore({ small: new MemoryBlobStore(), large: site.store, thresholdBytes: 1_000 }),
    ];
    await until(() => clock.sleepers > 0);
    for (const store of before) {
      assert.equal(store.presence, undefined);
      assert.deepEqual(await store.findMissing([a!]), []);
    }

    await rm(unreadable);
    clock.advance(60_000);

    await until(() => site.store.presence !== undefined);
    for (const { presence } of before) {
      assert.ok(presence);
      assert.ok(presence.touch(b!.function, Buffer.from(`xx${b!.hash}`), 2, b!.sizeBytes));
      assert.ok(!presence.touch(b!.function, Buffer.from(`xx${b!.hash}`), 2, 99_999));
    }
  });

  it('does not have what was deleted, small or large, also right after the start', async () => {
    const small = await put(['a', 'b', 'c']);
    const large = await put(['a', 'b', 'c'], 100_000);
    await site.store.delete([small[0]!, large[0]!]);

    await site.reopen();
    await site.store.delete([small[1]!, large[1]!]);
    assert.deepEqual(await listed(site), [small[2]!, large[2]!].map(String).sort());

    await site.reopen();
    assert.deepEqual(await listed(site), [small[2]!, large[2]!].map(String).sort());
  });

  it('has a blob that was deleted and written again', async () => {
    const [a] = await put(['a']);
    await site.store.delete([a!]);
    await put(['a']);

    await site.reopen();

    assert.equal((await readBlob(site.store, a!)).length, 100);
  });

  it('has all small blobs when the hints of the segments are lost or damaged', async () => {
    await site.reopen({ maxBytes: 64_000 }); // Segments of 1,000 bytes.
    const digests = await put(Array.from({ length: 20 }, (_, index) => `blob ${index}`));

    await site.reopen({}, async () => {
      const folder = join(site.path, 'packs');
      const hints = (await readdir(folder)).filter((name) => !name.endsWith('.pack'));
      assert.ok(hints.length > 2);
      for (const [index, name] of hints.entries()) {
        if (index % 2 === 0) await rm(join(folder, name));
        else await writeFile(join(folder, name), 'rubbish');
      }
    });

    for (const digest of digests) assert.equal((await readBlob(site.store, digest)).length, 100);
  });

  it('has what was whole when the last record is torn', async () => {
    const [a, b] = await put(['a', 'b']);

    await site.reopen({}, async () => {
      const name = (await site.packs()).at(-1)!;
      const bytes = await readFile(join(site.path, 'packs', name));
      await writeFile(join(site.path, 'packs', name), bytes.subarray(0, bytes.length - 50));
    });

    assert.equal((await readBlob(site.store, a!)).length, 100);
    assert.deepEqual(await site.store.findMissing([b!]), [b]);
    await put(['b', 'c']);
    await site.reopen();
    assert.equal((await listed(site)).length, 3);
  });

  for (const [kind, sizeBytes] of [
    ['small', 10_000],
    ['large', 100_000],
  ] as const) {
    it(`evicts ${kind} blobs in the order of their uses before it was closed`, async () => {
      const maxBytes = 10 * sizeBytes;
      await site.reopen({ maxBytes });
      const digests = await put(Array.from('abcdefghi'), sizeBytes);
      for (const digest of digests.slice(0, 3)) await readBlob(site.store, digest);

      await site.reopen({ maxBytes });
      await put(['j', 'k', 'l'], sizeBytes);

      await until(async () => (await site.store.stats()).blobs! <= 9);
      const left = await listed(site);
      for (const digest of digests.slice(0, 3)) assert.ok(left.includes(String(digest)));
      for (const digest of digests.slice(3, 5)) assert.ok(!left.includes(String(digest)));
    });
  }

  it('starts with other uses when the file of uses is lost or damaged, and says so', async () => {
    const digests = await put(['a', 'b', 'c']);

    await site.reopen({}, () => writeFile(join(site.path, 'uses'), 'rubbish'));
    assert.deepEqual(await site.store.findMissing(digests), []);
    await site.reopen({}, () => rm(join(site.path, 'uses')));
    assert.deepEqual(await site.store.findMissing(digests), []);

    assert.deepEqual(
      logger.lines.map(({ message }) => message),
      ['The last uses of blobs are lost'],
    );
  });

  it('keeps what it promised before it was closed, however soon it was (D4)', async () => {
    const maxBytes = 1_000_000;
    await site.reopen({ maxBytes });
    const digests = await put(Array.from('abcdefghi'), 100_000);
    for (const digest of digests.slice(1)) await readBlob(site.store, digest);

    await site.reopen({ maxBytes });
    // Before the names of the files are read.
    assert.deepEqual(await site.store.findMissing([digests[0]!]), []);
    await site.reopen({ maxBytes });
    await put(['j', 'k'], 100_000);

    await until(async () => (await site.store.stats()).blobs! <= 9);
    assert.ok((await listed(site)).includes(String(digests[0])));
  });

  for (const year of [2024, 2040]) {
    it(`keeps what it promised in ${year} though all others were used later, also after a restart (D4)`, async () => {
      const options = { maxBytes: 1_000_000, clock: new FakeClock(Date.UTC(year, 0)) };
      await site.reopen(options);
      const [promised] = await put(Array.from('abcdefghi'), 100_000);
      assert.deepEqual(await site.store.findMissing([promised!]), []);

      for (const name of ['j', 'k']) {
        const others = (await listed(site)).filter((each) => each !== String(promised));
        for (const other of others) await readBlob(site.store, Digest.parse(other));
        if (name === 'k') await site.reopen(options);
        await listed(site);
        await put([name, `${name}2`], 100_000);

        await until(async () => (await site.store.stats()).blobs! <= 9);
        assert.ok((await listed(site)).includes(String(promised)), `before ${name}`);
      }
    });
  }

  it('takes a blob anew whose file is cut off, and that it has reported as missing (CAS-4)', async () => {
    const data = Buffer.alloc(100_000, 'a');
    const digest = await site.put(data);
    await site.reopen({}, async () => {
      await unlock(site.fileOf(digest));
      await truncate(site.fileOf(digest), 10);
    });

    assert.deepEqual(await site.store.findMissing([digest]), [digest]);
    await listed(site);
    await site.reopen();
    await listed(site);
    await site.put(data);

    assert.ok(data.equals(await readBlob(site.store, digest)));
  });

  it('knows the uses of a minute ago when it was killed', async () => {
    const clock = new FakeClock();
    const maxBytes = 1_000_000;
    const uses = join(site.path, 'uses');
    await site.reopen({ clock, maxBytes }, () => rm(uses));
    const digests = await put(Array.from('abcdefghi'), 100_000);
    await readBlob(site.store, digests[0]!);
    await until(() => clock.sleepers > 0);
    clock.advance(60_000);
    await until(async () => (await readdir(site.path)).includes('uses'));
    const saved = await readFile(uses);
    await readBlob(site.store, digests[1]!);

    // What a kill leaves: the file as it was.
    await site.reopen({ clock, maxBytes }, () => writeFile(uses, saved));
    await put(['j', 'k'], 100_000);

    await until(async () => (await site.store.stats()).blobs! <= 9);
    const left = await listed(site);
    assert.ok(left.includes(String(digests[0])));
    assert.ok(!left.includes(String(digests[1])));
  });

  describe('with a folder of format 1', () => {
    const contents = ['one', 'two', 'x'.repeat(100_000), patternedBytes(70_000)];
    const digests = contents.map((content) => Digest.of(Buffer.from(content)));

    const makeOld = async (): Promise<void> => {
      await rm(site.path, { recursive: true });
      for (const [index, digest] of digests.entries()) {
        await mkdir(dirname(site.fileOf(digest)), { recursive: true });
        await writeFile(site.fileOf(digest), contents[index]!, { mode: 0o444 });
      }
      await mkdir(join(site.path, 'tmp'));
      await writeFile(join(site.path, 'tmp', 'left over'), '');
      await writeFile(join(site.path, 'format'), 'bgd-blobs 1\n');
    };

    it('has its blobs, finds the small ones at once, and says that the format is another one', async () => {
      await site.reopen({}, makeOld);

      assert.deepEqual(await site.store.findMissing(digests), []);
      assert.equal(String(await readBlob(site.store, digests[0]!)), 'one');
      assert.deepEqual(await listed(site), digests.map(String).sort());
      assert.equal(await readFile(join(site.path, 'format'), 'utf8'), 'bgd-blobs 2\n');

      await site.reopen();
      for (const digest of digests) assert.equal((await readBlob(site.store, digest)).length, digest.sizeBytes);
    });

    it('writes none of its blobs again, and deletes them for good', async () => {
      await site.reopen({}, makeOld);

      await site.store.write(digests[0]!, unread());
      await site.store.writeBatch([{ digest: digests[1]!, data: Buffer.from('two') }]);
      assert.equal((await site.store.stats()).figures?.['packBytes'], 0);
      await site.store.delete([digests[0]!, digests[2]!]);

      await site.reopen();
      assert.deepEqual(await listed(site), [digests[1]!, digests[3]!].map(String).sort());
    });

    it('evicts its blobs like others', async () => {
      await site.reopen({ maxBytes: 100_000 }, makeOld);

      assert.ok((await listed(site)).length <= 4);
      await until(async () => (await site.store.stats()).sizeBytes! <= 90_000);

      for (const digest of await listed(site)) {
        assert.deepEqual(await site.store.findMissing([Digest.parse(digest)]), []);
      }
    });

    it('can be converted again when a crash came between', async () => {
      await site.reopen({}, makeOld);
      await site.reopen({}, async () => {
        await writeFile(join(site.path, 'tmp', 'format'), 'bgd-blo');
        await rename(join(site.path, 'packs'), join(site.path, 'tmp', 'packs'));
        await writeFile(join(site.path, 'format'), 'bgd-blobs 1\n');
      });

      assert.deepEqual(await site.store.findMissing(digests), []);
    });
  });
});

async function listed(site: DiskSite): Promise<string[]> {
  const digests: string[] = [];
  for await (const digest of site.store.list()) digests.push(String(digest));
  return digests.sort();
}

/** Content of a blob that is there already. */
async function* unread(): AsyncIterable<Uint8Array> {
  yield Buffer.from('no');
  throw new Error('The content was read');
}
