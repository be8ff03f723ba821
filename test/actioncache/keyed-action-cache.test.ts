import assert from 'node:assert/strict';
import { KeyedActionCache } from '../../src/actioncache/keyed-action-cache.js';
import { Digest } from '../../src/digest/digest.js';
import { MemoryKeyedStore } from '../../src/keyedstore/backends/memory-keyed-store.js';
import { reapi } from '../../src/proto/index.js';
import { describeActionCache } from './contract/action-cache.js';

describeActionCache('KeyedActionCache', () => new KeyedActionCache(new MemoryKeyedStore()));

describe('KeyedActionCache', () => {
  const action = Digest.of(Buffer.from('{"not": "an Action"}'));

  it('keeps a result under a key that operators can tell', async () => {
    const store = new MemoryKeyedStore();
    await new KeyedActionCache(store).update(action, reapi.ActionResult.create({ exitCode: 1 }));

    assert.ok(await store.get(`ac/sha256/${action.hash}-${action.sizeBytes}`));
  });

  it('drops what does not decode as a result', async () => {
    const store = new MemoryKeyedStore();
    const key = `ac/${action.key}`;
    await store.put(key, Buffer.from([0xff, 0xff, 0xff]));

    assert.equal(await new KeyedActionCache(store).get(action), undefined);

    assert.equal(await store.get(key), undefined);
  });

  it('reports trouble of its store as such, not as a miss', async () => {
    const store = new MemoryKeyedStore();
    store.get = () => Promise.reject(new Error('store down'));

    await assert.rejects(new KeyedActionCache(store).get(action), /store down/);
  });
});
