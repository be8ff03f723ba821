import assert from 'node:assert/strict';
import { KeyedActionCache } from '../../src/actioncache/keyed-action-cache.js';
import { ReferenceFollowingKeyedStore } from '../../src/actioncache/reference-following-keyed-store.js';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import { Digest } from '../../src/digest/digest.js';
import { MemoryKeyedStore } from '../../src/keyedstore/backends/memory-keyed-store.js';
import { reapi } from '../../src/proto/index.js';
import { chunks } from '../helpers/chunks.js';
import { describeKeyedStore } from '../keyedstore/contract/keyed-store.js';

describeKeyedStore(
  'ReferenceFollowingKeyedStore',
  (clock) => new ReferenceFollowingKeyedStore(new MemoryKeyedStore({ clock }), new MemoryBlobStore()),
);

describe('ReferenceFollowingKeyedStore', () => {
  const result = Buffer.from(reapi.ActionResult.encode({ exitCode: 7 }).finish());
  const digest = Digest.of(result);
  const reference = reapi.Digest.encode(digest.toProto()).finish();

  it("follows BuildGrid's entries to the result", async () => {
    const [values, blobs] = [new MemoryKeyedStore(), new MemoryBlobStore()];
    await values.put('key', reference);
    await blobs.write(digest, chunks(result));

    assert.deepEqual(await new ReferenceFollowingKeyedStore(values, blobs).get('key'), result);
  });

  it('has no value where the result is gone', async () => {
    const values = new MemoryKeyedStore();
    await values.put('key', reference);

    assert.equal(await new ReferenceFollowingKeyedStore(values, new MemoryBlobStore()).get('key'), undefined);
  });

  it('leaves what is no Digest to who asked for it', async () => {
    const values = new MemoryKeyedStore();
    const garbage = Buffer.from([0x0a, 0xff, 0xff]);
    await values.put('key', garbage);

    assert.deepEqual(await new ReferenceFollowingKeyedStore(values, new MemoryBlobStore()).get('key'), garbage);
  });

  it('takes no result for an entry: none begins with the tag of a hash', async () => {
    const store = new ReferenceFollowingKeyedStore(new MemoryKeyedStore(), new MemoryBlobStore());
    const cache = new KeyedActionCache(store);
    const action = Digest.of(Buffer.from('action'));

    for (const properties of [{ exitCode: 1 }, { outputFiles: [{ path: 'a' }] }, { stdoutRaw: Buffer.from('\n') }]) {
      await cache.update(action, reapi.ActionResult.create(properties));
      assert.ok(await cache.get(action));
    }
  });
});
