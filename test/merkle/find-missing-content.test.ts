import assert from 'node:assert/strict';
import { readBlob } from '../../src/blobstore/read-blob.js';
import { Code } from '../../src/common/code.js';
import { Digest } from '../../src/digest/digest.js';
import { findMissingContent } from '../../src/merkle/find-missing-content.js';
import { ContentBench } from '../assets/content-bench.js';
import { hasCode } from '../helpers/has-code.js';

describe('findMissingContent', () => {
  let bench: ContentBench;

  beforeEach(() => {
    bench = new ContentBench();
  });

  const missing = async (blobs: readonly Digest[], roots: readonly Digest[]): Promise<string[]> =>
    (await findMissingContent(bench.blobs, { blobs, roots })).map(String).sort();

  it('misses nothing of what is whole', async () => {
    const { root } = await bench.putTree('sample');

    assert.deepEqual(await missing([await bench.put('blob'), Digest.empty()], [root, Digest.empty()]), []);
  });

  it('names each missing blob once, on whatever way it is referred to', async () => {
    const tree = await bench.putTree('sample');
    await bench.blobs.delete([tree.deepFile, tree.rootFile]);

    assert.deepEqual(
      await missing([tree.deepFile], [tree.root, tree.child]),
      [tree.deepFile, tree.rootFile].map(String).sort(),
    );
  });

  it('names a missing Directory', async () => {
    const tree = await bench.putTree('sample');
    await bench.blobs.delete([tree.child]);

    assert.deepEqual(await missing([], [tree.root]), [String(tree.child)]);
  });

  it('names a Directory that comes while it looks, for nobody has seen what is below', async () => {
    const tree = await bench.putTree('sample');
    const child = await readBlob(bench.blobs, tree.child);
    await bench.blobs.delete([tree.child]);
    const findMissing = bench.blobs.findMissing.bind(bench.blobs);
    bench.blobs.findMissing = async (digests) => {
      await bench.put(child);
      return findMissing(digests);
    };

    assert.deepEqual(await missing([], [tree.root]), [String(tree.child)]);
  });

  it('does not look into blobs', async () => {
    const tree = await bench.putTree('sample');
    await bench.blobs.delete([tree.rootFile]);

    assert.deepEqual(await missing([tree.root], []), []);
  });

  it('refuses a root that is no Directory', async () => {
    await assert.rejects(missing([], [await bench.put('no Directory')]), hasCode(Code.InvalidArgument));
  });
});
