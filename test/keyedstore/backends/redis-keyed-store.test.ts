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
});
