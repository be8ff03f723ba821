import { Lifecycle } from '../../../src/common/lifecycle.js';
import { RedisBlobStore } from '../../../src/blobstore/backends/redis-blob-store.js';
import { RedisConnection } from '../../../src/redis/redis-connection.js';
import { needsProgram } from '../../helpers/capabilities.js';
import { RedisServer } from '../../helpers/redis-server.js';
import { describeBlobStore } from '../contract/blob-store.js';

describe('RedisBlobStore on a real server', () => {
  const lifecycle = new Lifecycle();
  let connection: RedisConnection;

  before(async function () {
    needsProgram(this, 'redis-server', 'what keeps blobs in Redis');
    const { port } = lifecycle.use(await RedisServer.start());
    connection = lifecycle.use(await RedisConnection.open({ host: '127.0.0.1', port }));
  });

  after(() => lifecycle[Symbol.asyncDispose]());

  beforeEach(() => connection.run('Emptying', (redis) => redis.flushall()));

  describeBlobStore('RedisBlobStore', () => new RedisBlobStore({ connection }));
  describeBlobStore('RedisBlobStore whose blobs expire', () => new RedisBlobStore({ connection, ttlSeconds: 60 }));
});
