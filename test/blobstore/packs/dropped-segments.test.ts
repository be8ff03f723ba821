import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import { join } from 'node:path';
import { PackFolder } from '../../../src/blobstore/packs/pack-folder.js';
import type { PackPlace } from '../../../src/blobstore/packs/pack-place.js';
import { loadDigestFunctions } from '../../../src/digest/digest-function.js';
import { temporaryDirectory } from '../../helpers/temporary-directory.js';
import { blobOf, entering, filesIn, listed, openFilesBelow, someBlobs, textsOf } from './pack-bench.js';

describe('PackFolder that gives up blobs and segments', () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let path: string;

  before(loadDigestFunctions);

  beforeEach(async () => {
    directory = await temporaryDirectory();
    path = join(directory.path, 'packs');
  });

  afterEach(() => directory[Symbol.asyncDispose]());

  describe('tombstones', () => {
    it('keep a blob from coming back, after an orderly end and after a crash', async () => {
      const crashed = join(directory.path, 'crashed');
      {
        await using folder = await PackFolder.open({ path });
        const { digest, data } = blobOf('deleted');
        const [place] = await folder.append([{ digest, data }, blobOf('kept')]);
        await folder.forget([{ digest, place: place! }]);
        await cp(path, crashed, { recursive: true });
      }
      for (const each of [path, crashed]) {
        await using folder = await PackFolder.open({ path: each });

        assert.deepEqual([...(await listed(folder)).keys()], [blobOf('kept').digest.key]);
      }
    });

    it('leave a blob alone that was appended again meanwhile', async () => {
      const blob = blobOf('twice');
      {
        await using folder = await PackFolder.open({ path });
        const [first] = await folder.append([blob]);
        const again = folder.append([blob]);
        const forgotten = folder.forget([{ digest: blob.digest, place: first! }]);
        await Promise.all([again, forgotten]);
      }
      await using folder = await PackFolder.open({ path });

      assert.deepEqual(await textsOf(folder, await listed(folder), [blob]), ['twice']);
    });

    it('are kept when their segment is dropped, as long as that of their blob is there', async () => {
      const blob = blobOf('deleted '.padEnd(500, '.'));
      {
        await using folder = await PackFolder.open({ path, maxSegmentBytes: 1024 });
        const [place] = await folder.append([blob]);
        await folder.append([blobOf('fills the first segment '.padEnd(800, '.'))]);
        await folder.forget([{ digest: blob.digest, place: place! }]);
        await folder.drop(2);
      }
      await using folder = await PackFolder.open({ path, maxSegmentBytes: 1024 });

      assert.equal((await listed(folder)).has(blob.digest.key), false);
      assert.deepEqual(
        folder.segments().map(({ number }) => number),
        [1, 3],
      );
    });

    it('go when the segment of their blob is gone', async () => {
      const blob = blobOf('deleted '.padEnd(500, '.'));
      await using folder = await PackFolder.open({ path, maxSegmentBytes: 1024 });
      const [place] = await folder.append([blob]);
      await folder.append([blobOf('fills the first segment '.padEnd(800, '.'))]);
      await folder.forget([{ digest: blob.digest, place: place! }]);

      await folder.drop(1);
      await folder.drop(2);

      assert.deepEqual(folder.segments(), [{ number: 3, fileBytes: 0, isSealed: false }]);
    });

    it('that were kept do not touch a blob that was appended again between', async () => {
      const blob = blobOf('deleted and back '.padEnd(500, '.'));
      {
        await using folder = await PackFolder.open({ path, maxSegmentBytes: 1024 });
        const [place] = await folder.append([blob]);
        await folder.append([blobOf('fills the first segment '.padEnd(800, '.'))]);
        await folder.forget([{ digest: blob.digest, place: place! }]);
        await folder.append([blobOf('fills the second segment '.padEnd(800, '.'))]);
        await folder.append([blob]);
        await folder.drop(2);
      }
      await using folder = await PackFolder.open({ path, maxSegmentBytes: 1024 });

      const index = await listed(folder);

      assert.deepEqual(await textsOf(folder, index, [blob]), [String(blob.data)]);
      assert.equal(index.get(blob.digest.key)?.segment, 4);
    });
  });

  describe('drop', () => {
    it('removes a segment for good', async () => {
      const blobs = someBlobs(20);
      {
        await using folder = await PackFolder.open({ path, maxSegmentBytes: 1024 });
        const places = await folder.append(blobs);
        await folder.drop(1);
        await folder.drop(1);

        assert.equal(await folder.read(places[0]!, 100), undefined);
        assert.equal((await folder.read(places.at(-1)!, 100))?.length, 100);
      }
      await using folder = await PackFolder.open({ path });
      assert.equal((await listed(folder)).size, 14);
      assert.deepEqual((await filesIn(path, '.hint')).length, folder.segments().length);
    });

    it('lets reads under way end well, and closes the file then', async () => {
      await using folder = await PackFolder.open({ path, maxSegmentBytes: 4096 });
      const blobs = someBlobs(60);
      const places = (await folder.append(blobs)).filter(({ segment }) => segment === 1);

      const reads = places.map((place) => folder.read(place, 100));
      await folder.drop(1);

      assert.deepEqual(
        (await Promise.all(reads)).map(String),
        blobs.slice(0, places.length).map(({ data }) => String(data)),
      );
      assert.deepEqual(
        (await openFilesBelow(path)).filter((file) => file.includes('00000001')),
        [],
      );
    });

    it('puts another segment in the place of the newest, so that no number is used twice', async () => {
      {
        await using folder = await PackFolder.open({ path });
        await folder.append([blobOf('a')]);
        await folder.drop(1);
      }
      await using folder = await PackFolder.open({ path });

      const [place] = await folder.append([blobOf('b')]);

      assert.equal(place?.segment, 2);
    });

    it('does so while records are being appended', async () => {
      await using folder = await PackFolder.open({ path, maxSegmentBytes: 2048 });
      const blobs = someBlobs(60);
      const appends = blobs.map(async (blob) => ({ blob, place: (await folder.append([blob]))[0]! }));
      await folder.drop(1);
      const index = new Map((await Promise.all(appends)).map(({ blob, place }) => [blob.digest.key, place]));
      const rest = blobs.filter(({ digest }) => (index.get(digest.key)?.segment ?? 0) > 1);

      assert.deepEqual(
        await textsOf(folder, index, rest),
        rest.map(({ data }) => String(data)),
      );
      const found = new Map<string, PackPlace>();
      for (const { number } of folder.segments()) await folder.listSegment(number, entering(found));
      for (const { digest } of rest) assert.deepEqual(found.get(digest.key), index.get(digest.key));
    });
  });
});
