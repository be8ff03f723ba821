import assert from 'node:assert/strict';
import { Code } from '../../../src/common/code.js';
import { MemoryKeyedStore } from '../../../src/keyedstore/backends/memory-keyed-store.js';
import { hasCode } from '../../helpers/has-code.js';
import { describeKeyedStore } from '../contract/keyed-store.js';

describeKeyedStore('MemoryKeyedStore', (clock) => new MemoryKeyedStore({ clock }));

describe('MemoryKeyedStore', () => {
  it('drops the least recently used value beyond its count', async () => {
    const store = new MemoryKeyedStore({ maxEntries: 2 });
    await store.put('a', Buffer.from('1'));
    await store.put('b', Buffer.from('2'));
    await store.get('a');

    await store.put('c', Buffer.from('3'));

    assert.equal(await store.get('b'), undefined);
    assert.equal(String(await store.get('a')), '1');
  });

  it('counts keys and values against its bytes, and refuses what is larger than all of it', async () => {
    const store = new MemoryKeyedStore({ maxBytes: 20 });
    await store.put('a', Buffer.alloc(10));
    await store.put('b', Buffer.alloc(10));

    assert.equal(await store.get('a'), undefined);
    await assert.rejects(store.put('c', Buffer.alloc(20)), hasCode(Code.ResourceExhausted));
  });
});
