import assert from 'node:assert/strict';
import { NamedValues, type ValueReader } from '../../src/assets/named-values.js';
import { MemoryKeyedStore } from '../../src/keyedstore/backends/memory-keyed-store.js';

describe('NamedValues', () => {
  let store: MemoryKeyedStore;
  let values: NamedValues;

  beforeEach(() => {
    store = new MemoryKeyedStore();
    values = new NamedValues(store);
  });

  const text = (fault?: (value: string) => Promise<string | undefined>): ValueReader<string> => ({
    decode: (bytes) => Buffer.from(bytes).toString(),
    faultOf: fault ?? (async () => undefined),
  });

  it('drops a value that is found faulty twice', async () => {
    await store.put('key', Buffer.from('value'));

    assert.equal(
      await values.get(
        'key',
        text(async () => 'incomplete'),
      ),
      undefined,
    );
    assert.equal(await store.get('key'), undefined);
  });

  it('keeps a value that is put while another is found faulty', async () => {
    await store.put('key', Buffer.from('old'));
    const isOld = async (value: string): Promise<string | undefined> => {
      if (value !== 'old') return undefined;
      await values.put('key', Buffer.from('new'), {});
      return 'replaced meanwhile';
    };

    assert.equal(await values.get('key', text(isOld)), 'new');
  });

  it('keeps a value that is mended while it is found faulty', async () => {
    await store.put('key', Buffer.from('value'));
    let looks = 0;

    assert.equal(
      await values.get(
        'key',
        text(async () => (++looks === 1 ? 'incomplete' : undefined)),
      ),
      'value',
    );
    assert.equal(String(await store.get('key')), 'value');
  });

  it('lets updates of one key follow each other', async () => {
    const append = (letter: string): Promise<void> =>
      values.update('key', (bytes) => Buffer.concat([bytes ?? Buffer.alloc(0), Buffer.from(letter)]));

    await Promise.all(['a', 'b', 'c'].map(append));

    assert.equal(String(await store.get('key')), 'abc');
  });

  it('throws what finding fault throws, and keeps the value', async () => {
    await store.put('key', Buffer.from('value'));

    await assert.rejects(
      values.get(
        'key',
        text(() => Promise.reject(new Error('the store is down'))),
      ),
      /the store is down/,
    );
    assert.ok(await store.get('key'));
  });
});
