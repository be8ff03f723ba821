import assert from 'node:assert/strict';
import type { Clock } from '../../../src/common/clock.js';
import { Code } from '../../../src/common/code.js';
import type { KeyedStore } from '../../../src/keyedstore/keyed-store.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { hasCode } from '../../helpers/has-code.js';

/** What every {@link KeyedStore} promises. Each backend runs all of it. */
export function describeKeyedStore(name: string, create: (clock: Clock) => Promise<KeyedStore> | KeyedStore): void {
  describe(`${name} as a KeyedStore`, () => {
    let clock: FakeClock;
    let store: KeyedStore;

    beforeEach(async () => {
      clock = new FakeClock();
      store = await create(clock);
    });

    afterEach(async () => {
      if (Symbol.asyncDispose in store) await (store as KeyedStore & AsyncDisposable)[Symbol.asyncDispose]();
    });

    const get = async (key: string): Promise<string | undefined> => (await store.get(key))?.toString();

    it('has no value for a key until one is put', async () => {
      assert.equal(await store.get('key'), undefined);

      await store.put('key', Buffer.from('value'));

      assert.equal(await get('key'), 'value');
      assert.equal(await get('another'), undefined);
    });

    it('lets the last write win', async () => {
      await store.put('key', Buffer.from('first'));
      await store.put('key', Buffer.from('second'));

      assert.equal(await get('key'), 'second');
    });

    it('keeps empty values, and any bytes', async () => {
      const bytes = Buffer.from([0, 10, 255, 123, 10]);
      await store.put('empty', Buffer.alloc(0));
      await store.put('bytes', bytes);

      assert.equal((await store.get('empty'))?.length, 0);
      assert.deepEqual(await store.get('bytes'), bytes);
    });

    it('takes any key: with slashes, dots, NUL, line ends, emoji, of no and of 1,024 bytes', async () => {
      const keys = ['', '../../etc/passwd', '/', 'a\0b', 'a\nb', '🎉', 'k'.repeat(1024), 'K'.repeat(1024), 'é'];
      for (const key of keys) await store.put(key, Buffer.from(`value of ${key}`));

      for (const key of keys) assert.equal(await get(key), `value of ${key}`);
    });

    it('refuses a key of more than 1,024 bytes', async () => {
      await assert.rejects(store.put('é'.repeat(513), Buffer.from('value')), hasCode(Code.InvalidArgument));
    });

    it('forgets a deleted value, and ignores an absent one', async () => {
      await store.put('key', Buffer.from('value'));

      await store.delete('key');
      await store.delete('never there');

      assert.equal(await store.get('key'), undefined);
    });

    it('has a value until the moment when it expires', async () => {
      await store.put('key', Buffer.from('value'), { expiresAtMs: clock.now() + 1_000 });

      clock.advance(999);
      assert.equal(await get('key'), 'value');
      clock.advance(1);
      assert.equal(await get('key'), undefined);
    });

    it('replaces the expiry with the value', async () => {
      await store.put('key', Buffer.from('first'), { expiresAtMs: clock.now() + 1_000 });
      await store.put('key', Buffer.from('second'));

      clock.advance(2_000);

      assert.equal(await get('key'), 'second');
    });

    it('ends concurrent writes of one key with one of the values, whole', async () => {
      const values = Array.from({ length: 10 }, (_, index) => String(index).repeat(10_000));

      await Promise.all(values.map((value) => store.put('key', Buffer.from(value))));

      assert.ok(values.includes((await get('key')) ?? ''));
    });

    it('is not changed by what the caller does with the bytes afterwards', async () => {
      const bytes = Buffer.from('value');
      await store.put('key', bytes);
      bytes.fill(0);
      (await store.get('key'))?.fill(0);

      assert.equal(await get('key'), 'value');
    });

    it('refuses to begin when the signal has aborted already', async () => {
      const signal = AbortSignal.abort();

      await assert.rejects(store.get('key', signal));
      await assert.rejects(store.put('key', Buffer.from('value'), {}, signal));
      await assert.rejects(store.delete('key', signal));
    });
  });
}
