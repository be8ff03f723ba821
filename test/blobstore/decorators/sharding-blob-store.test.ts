import assert from 'node:assert/strict';
import { Code } from '../../../src/common/code.js';
import { MemoryBlobStore } from '../../../src/blobstore/backends/memory-blob-store.js';
import { type Shard, ShardingBlobStore } from '../../../src/blobstore/decorators/sharding-blob-store.js';
import { readBlob } from '../../../src/blobstore/read-blob.js';
import { Digest } from '../../../src/digest/digest.js';
import { FailingBlobStore } from '../../helpers/failing-blob-store.js';
import { hasCode } from '../../helpers/has-code.js';
import { describeBlobStore } from '../contract/blob-store.js';

function shard(name: string, weight = 1): Shard {
  return { name, weight, store: new MemoryBlobStore() };
}

describeBlobStore('ShardingBlobStore', () => new ShardingBlobStore([shard('a'), shard('b', 2), shard('c')]));

describe('ShardingBlobStore', () => {
  const blobs = Array.from({ length: 4_000 }, (_, index) => {
    const data = Buffer.from(`blob ${index}`);
    return { digest: Digest.of(data), data };
  });
  const digests = blobs.map(({ digest }) => digest);

  /** Which blobs each shard has when all of them were written through the decorator. */
  async function spread(shards: readonly Shard[]): Promise<Map<string, Set<string>>> {
    await new ShardingBlobStore(shards).writeBatch(blobs);
    const held = new Map<string, Set<string>>();
    for (const { name, store } of shards) {
      const missing = new Set((await store.findMissing(digests)).map(({ key }) => key));
      held.set(name, new Set(digests.map(({ key }) => key).filter((key) => !missing.has(key))));
    }
    return held;
  }

  it('keeps each blob once, on shares as the weights say', async () => {
    const held = await spread([shard('a'), shard('b', 2), shard('c')]);

    const counts = [...held.values()].map(({ size }) => size);
    assert.equal(
      counts.reduce((sum, count) => sum + count),
      blobs.length,
    );
    for (const [index, expected] of [1_000, 2_000, 1_000].entries()) {
      assert.ok(Math.abs(counts[index]! - expected) < 150, String(counts));
    }
  });

  it('does not care for the order of the shards', async () => {
    const one = await spread([shard('a'), shard('b')]);
    const other = await spread([shard('b'), shard('a')]);

    assert.deepEqual(other.get('a'), one.get('a'));
  });

  it('moves only blobs to a shard that is added', async () => {
    const before = await spread([shard('a'), shard('b')]);
    const after = await spread([shard('a'), shard('b'), shard('c')]);

    for (const name of ['a', 'b']) {
      assert.ok(isSubset(after.get(name)!, before.get(name)!));
    }
    assert.ok(Math.abs(after.get('c')!.size - blobs.length / 3) < 150);
  });

  it('finds its blobs again in any later version', async () => {
    const held = await spread([shard('a'), shard('b', 2), shard('c')]);

    const homes = digests
      .slice(0, 16)
      .map(({ key }) => [...held].find(([, keys]) => keys.has(key))?.[0])
      .join('');
    assert.equal(homes, 'bbabbbbbacbbbabb');
  });

  describe('with one shard down', () => {
    const down = new FailingBlobStore(new MemoryBlobStore());
    const store = new ShardingBlobStore([shard('a'), { name: 'b', weight: 1, store: down }]);
    const outcomes = new Map<string, number | undefined>();

    before(async () => {
      down.isDown = true;
      for (const [index, outcome] of (await store.writeBatch(blobs)).entries()) {
        outcomes.set(digests[index]!.key, outcome?.code);
      }
    });

    it('fails the entries of a batch that belong there, and only those', () => {
      const failed = [...outcomes.values()].filter((code) => code !== undefined);

      assert.ok(failed.length > 1_000 && failed.length < 3_000);
      assert.deepEqual([...new Set(failed)], [Code.Unavailable]);
    });

    it('serves the blobs of the others, and says which shard is in trouble', async () => {
      const alive = digests.find(({ key }) => outcomes.get(key) === undefined)!;
      const dead = digests.find(({ key }) => outcomes.get(key) !== undefined)!;

      assert.equal((await readBlob(store, alive)).length, alive.sizeBytes);
      assert.deepEqual(await store.findMissing([alive]), []);
      await assert.rejects(readBlob(store, dead), hasCode(Code.Unavailable));
      await assert.rejects(store.findMissing([alive, dead]), /Trouble with shard "b": the store is down/);
    });
  });
});

function isSubset(part: ReadonlySet<string>, whole: ReadonlySet<string>): boolean {
  return [...part].every((key) => whole.has(key));
}
