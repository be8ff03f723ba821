import assert from 'node:assert/strict';
import { cp, readdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { Code } from '../../../src/common/code.js';
import { PackFolder, maxPackedBlobBytes } from '../../../src/blobstore/packs/pack-folder.js';
import type { PackPlace } from '../../../src/blobstore/packs/pack-place.js';
import { packedBytes } from '../../../src/blobstore/packs/pack-record.js';
import { SHA256, digestFunctions, loadDigestFunctions } from '../../../src/digest/digest-function.js';
import { hasCode } from '../../helpers/has-code.js';
import { temporaryDirectory } from '../../helpers/temporary-directory.js';
import { blobOf, filesIn, hashOf, listed, openFilesBelow, someBlobs, textsOf } from './pack-bench.js';

describe('PackFolder', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let path: string;

  before(loadDigestFunctions);

  beforeEach(async () => {
    directory = await temporaryDirectory();
    path = join(directory.path, 'packs');
  });

  afterEach(() => directory[Symbol.asyncDispose]());

  it('reads back what was appended, of every digest function, at once and after a restart', async () => {
    const texts = ['a', 'x'.repeat(2047), 'x'.repeat(2049), 'y'.repeat(maxPackedBlobBytes)];
    const blobs = digestFunctions.flatMap((fn) => texts.map((text) => blobOf(text, fn)));
    const places = new Map<string, PackPlace>();
    {
      await using folder = await PackFolder.open({ path });
      for (const [index, place] of (await folder.append(blobs)).entries()) places.set(blobs[index]!.digest.key, place);

      assert.deepEqual(
        await textsOf(folder, places, blobs),
        blobs.map(({ data }) => String(data)),
      );
    }
    await using folder = await PackFolder.open({ path });

    const index = await listed(folder);

    assert.deepEqual(index, places);
    assert.deepEqual(
      await textsOf(folder, index, blobs),
      blobs.map(({ data }) => String(data)),
    );
  });

  it('reads a part of a blob', async () => {
    await using folder = await PackFolder.open({ path });
    const [place] = await folder.append([blobOf('0123456789')]);

    const part = await folder.read({ ...place!, offset: place!.offset + 3 }, 4);

    assert.equal(String(part), '3456');
  });

  it('finds nothing in a segment that there is not, or that ends before', async () => {
    await using folder = await PackFolder.open({ path });
    const [place] = await folder.append([blobOf('short')]);

    assert.equal(await folder.read({ segment: 7, offset: 0 }, 1), undefined);
    assert.equal(await folder.read(place!, 1000), undefined);
  });

  it('refuses a blob that is too large, or whose content is of another size', async () => {
    await using folder = await PackFolder.open({ path });
    const { digest } = blobOf('four');

    await assert.rejects(folder.append([blobOf('x'.repeat(maxPackedBlobBytes + 1))]), hasCode(Code.InvalidArgument));
    await assert.rejects(folder.append([{ digest, data: Buffer.from('three') }]), hasCode(Code.InvalidArgument));
    assert.equal(folder.fileBytes, 0);
  });

  it('takes as many bytes for a blob as it says', async () => {
    await using folder = await PackFolder.open({ path });
    for (const blob of [blobOf('a'), blobOf('x'.repeat(5000))]) {
      const before = folder.fileBytes;
      await folder.append([blob]);
      assert.equal(folder.fileBytes - before, packedBytes(SHA256, blob.data.length));
    }
    assert.equal((await stat((await filesIn(path, '.pack'))[0]!)).size, folder.fileBytes);
  });

  it('delivers records in the order in which they were appended', async () => {
    {
      await using folder = await PackFolder.open({ path, maxSegmentBytes: 1024 });
      await Promise.all(someBlobs(50).map((blob) => folder.append([blob])));
    }
    await using folder = await PackFolder.open({ path });
    const hashes: string[] = [];

    await folder.list((record) => hashes.push(hashOf(record)));

    assert.deepEqual(
      hashes,
      someBlobs(50).map(({ digest }) => digest.hash),
    );
  });

  it('delivers the records of one segment, also while it grows', async () => {
    await using folder = await PackFolder.open({ path, maxSegmentBytes: 1024 });
    const places = await folder.append(someBlobs(20));
    for (const { number } of folder.segments()) {
      const offsets: number[] = [];

      await folder.listSegment(number, ({ offset }) => offsets.push(offset));

      assert.deepEqual(
        offsets,
        places.filter(({ segment }) => segment === number).map(({ offset }) => offset),
      );
    }
  });

  it('begins a new segment before one would become too large', async () => {
    await using folder = await PackFolder.open({ path, maxSegmentBytes: 1024 });
    for (const blob of someBlobs(20)) await folder.append([blob]);
    await folder.append(someBlobs(20));
    await turn();

    const segments = folder.segments();

    assert.ok(segments.length >= 7);
    assert.ok(segments.every(({ fileBytes }) => fileBytes <= 1024));
    assert.deepEqual(
      segments.map(({ number }) => number),
      segments.map((_, index) => index + 1),
    );
    assert.deepEqual(
      segments.map(({ isSealed }) => isSealed),
      segments.map((_, index) => index < segments.length - 1),
    );
  });

  it('does not call a segment sealed whose records an append under way has not been told of', async () => {
    await using folder = await PackFolder.open({ path, maxSegmentBytes: 1024 });
    const sealed = (): number[] => folder.segments().flatMap((each) => (each.isSealed ? [each.number] : []));
    await folder.append(someBlobs(20));
    await turn();
    assert.deepEqual(sealed(), [1, 2, 3]);
    let most = 0;

    const append = folder.append(someBlobs(50));
    const looking = new AbortController();
    const looks = (async () => {
      while (!looking.signal.aborted) {
        most = Math.max(most, folder.segments().length);
        assert.ok(sealed().every((number) => number <= 4));
        await turn();
      }
    })();
    await append;
    looking.abort();
    assert.deepEqual(sealed(), [1, 2, 3, 4]);
    await looks;
    await turn();

    assert.ok(most > 5);
    assert.equal(sealed().length, folder.segments().length - 1);
  });

  it('gives a blob that is larger than a segment one of its own', async () => {
    await using folder = await PackFolder.open({ path, maxSegmentBytes: 1024 });
    const blobs = [blobOf('a'), blobOf('x'.repeat(5000)), blobOf('b')];

    const places = await folder.append(blobs);

    assert.deepEqual(
      places.map(({ segment }) => segment),
      [1, 2, 3],
    );
  });

  it('goes on with its last segment after an orderly end, and with a new one after a crash', async () => {
    const crashed = join(directory.path, 'crashed');
    {
      await using folder = await PackFolder.open({ path });
      await folder.append([blobOf('a')]);
      await cp(path, crashed, { recursive: true });
    }
    await using orderly = await PackFolder.open({ path });
    await using after = await PackFolder.open({ path: crashed });

    const [first] = await orderly.append([blobOf('b')]);
    const [second] = await after.append([blobOf('b')]);

    assert.deepEqual([first?.segment, second?.segment], [1, 2]);
    assert.deepEqual([...(await listed(after)).keys()], [blobOf('a').digest.key]);
  });

  it('leaves a hint for every segment behind', async () => {
    {
      await using folder = await PackFolder.open({ path, maxSegmentBytes: 1024 });
      await folder.append(someBlobs(20));
    }

    const names = await readdir(path);

    assert.equal(names.filter((name) => name.endsWith('.pack')).length, 4);
    assert.equal(names.filter((name) => name.endsWith('.hint')).length, 4);
    assert.equal(names.length, 8);
  });

  it('refuses a folder with two segments of the same number', async () => {
    {
      await using folder = await PackFolder.open({ path });
      await folder.append([blobOf('a')]);
    }
    await writeFile(join(path, '00000001-00000000.pack'), '');

    await assert.rejects(PackFolder.open({ path }), hasCode(Code.FailedPrecondition));
  });

  it('keeps no more files open than it may', async () => {
    await using folder = await PackFolder.open({ path, maxSegmentBytes: 1024, maxOpenFiles: 3 });
    const blobs = someBlobs(100);
    const places = await folder.append(blobs);
    assert.ok(folder.segments().length > 10);

    for (const place of places) assert.equal((await folder.read(place, 100))?.length, 100);

    // One more is the segment that is being written; one may be a hint.
    assert.ok((await openFilesBelow(path)).length <= 5);
  });

  it('closes its files, and answers UNAVAILABLE afterwards', async () => {
    const folder = await PackFolder.open({ path, maxSegmentBytes: 1024 });
    const [place] = await folder.append(someBlobs(20));
    await folder.read(place!, 100);

    await folder[Symbol.asyncDispose]();

    assert.deepEqual(await openFilesBelow(path), []);
    await assert.rejects(folder.append([blobOf('late')]), hasCode(Code.Unavailable));
    await assert.rejects(folder.read(place!, 100), hasCode(Code.Unavailable));
  });

  it('finishes appends under way before it is closed', async () => {
    const folder = await PackFolder.open({ path });
    const appends = Promise.all(someBlobs(20).map((blob) => folder.append([blob])));

    await folder[Symbol.asyncDispose]();

    assert.equal((await appends).length, 20);
    await using again = await PackFolder.open({ path });
    assert.equal((await listed(again)).size, 20);
  });
});
