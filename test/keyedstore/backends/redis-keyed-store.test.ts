import assert from 'node:assert/strict';
import { Lifecycle } from '../../../src/common/lifecycle.js';
import { RedisKeyedStore } from '../../../src/keyedstore/backends/redis-keyed-store.js';
import { RedisConnection } from '../../../src/redis/redis-connection.js';
import { needsProgram } from '../../helpers/capabilities.js';
import { RedisServer } from '../../helpers/redis-server.js';
import { describeKeyedStore } from '../contract/keyed-store.js';

describe('RedisKeyedStore on a real server', () => {
  const lifecycle = new Lifecycle();
  let connection: RedisConnection;

  before(async function () {
    needsProgram(this, 'redis-server', 'what keeps values in Redis');
    const { port } = lifecycle.use(await RedisServer.start());
    connection = lifecycle.use(await RedisConnection.open({ host: '127.0.0.1', port }));
  });

  after(() => lifecycle[Symbol.asyncDispose]());

  beforeEach(() => connection.run('Emptying', (redis) => redis.flushall()));

  describeKeyedStore('RedisKeyedStore', (clock) => new RedisKeyedStore({ connection, clock }));
  describeKeyedStore(
    'RedisKeyedStore whose values expire',
    (clock) => new RedisKeyedStore({ connection, clock, ttlSeconds: 60 }),
  );

  describe('RedisKeyedStore', () => {
    const ttl = (): Promise<number> => connection.run('Asking', (redis) => redis.ttl('keyed:key'));

    it('puts off the end of a value that somebody asks for, but never beyond its expiry', async () => {
      const store = new RedisKeyedStore({ connection, ttlSeconds: 100 });
      await store.put('key', Buffer.from('value'));
      assert.ok((await ttl()) > 90);
      await connection.run('Ageing', (redis) => redis.expire('keyed:key', 5));
      await store.get('key');
      assert.ok((await ttl()) > 90);

      await store.put('key', Buffer.from('value'), { expiresAtMs: Date.now() + 50_000 });
      await store.get('key');

      assert.ok((await ttl()) <= 50);
    });

    it('lets the server drop a value that has expired, and keeps others for ever', async () => {
      const store = new RedisKeyedStore({ connection });

      await store.put('key', Buffer.from('value'), { expiresAtMs: Date.now() + 50_000 });
      assert.ok((await ttl()) > 0);
      await store.put('key', Buffer.from('value'));
      assert.equal(await ttl(), -1);
      await store.put('key', Buffer.from('value'), { expiresAtMs: Date.now() - 1 });

      assert.equal(await ttl(), -2);
    });
  });
});
