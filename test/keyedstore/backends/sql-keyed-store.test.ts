import assert from 'node:assert/strict';
import { Lifecycle } from '../../../src/common/lifecycle.js';
import { SqlKeyedStore } from '../../../src/keyedstore/backends/sql-keyed-store.js';
import type { Database } from '../../../src/sql/database.js';
import { databaseKinds } from '../../helpers/database-kinds.js';
import { FakeClock } from '../../helpers/fake-clock.js';
import { describeKeyedStore } from '../contract/keyed-store.js';

for (const { kind, open } of databaseKinds) {
  describe(`SqlKeyedStore on ${kind}`, function () {
    this.timeout(60_000);
    const lifecycle = new Lifecycle();
    let database: Database;

    before(async () => {
      database = lifecycle.use(await open());
      await SqlKeyedStore.open({ database });
    });

    after(() => lifecycle[Symbol.asyncDispose]());

    beforeEach(() => database.statement((sql) => sql('keyed_values').delete()));

    describeKeyedStore('SqlKeyedStore', (clock) => SqlKeyedStore.open({ database, clock }));
    describeKeyedStore('SqlKeyedStore whose values expire', (clock) =>
      SqlKeyedStore.open({ database, clock, ttlSeconds: 60 }),
    );

    it('keeps a value of some megabytes', async () => {
      await using store = await SqlKeyedStore.open({ database });
      const value = Buffer.alloc(4 * 1024 * 1024, 'value');

      await store.put('key', value);

      assert.ok(value.equals((await store.get('key'))!));
    });

    it('puts off the end of a value that somebody asks for, but never beyond its expiry', async () => {
      const clock = new FakeClock();
      const store = await SqlKeyedStore.open({ database, clock, ttlSeconds: 100 });
      await store.put('used', Buffer.from('value'));
      await store.put('unused', Buffer.from('value'));
      await store.put('expiring', Buffer.from('value'), { expiresAtMs: clock.now() + 120_000 });

      clock.advance(90_000);
      await store.get('used');
      await store.get('expiring');
      await store[Symbol.asyncDispose]();
      clock.advance(40_000);

      assert.equal(String(await store.get('used')), 'value');
      assert.equal(await store.get('unused'), undefined);
      assert.equal(await store.get('expiring'), undefined);
    });

    it('removes rows whose time is over, in the background of later puts', async () => {
      const clock = new FakeClock();
      const store = await SqlKeyedStore.open({ database, clock, ttlSeconds: 10 });
      for (const key of ['one', 'two', 'three']) await store.put(key, Buffer.from('value'));
      await store.put('expiring', Buffer.from('value'), { expiresAtMs: clock.now() + 5_000 });

      clock.advance(60_000);
      await store.put('new', Buffer.from('value'));
      await store[Symbol.asyncDispose]();

      const names = await database.statement((sql) => sql('keyed_values').pluck<Buffer[]>('name'));
      assert.deepEqual(names.map(String), ['new']);
    });
  });
}
