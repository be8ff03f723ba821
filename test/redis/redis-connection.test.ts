import assert from 'node:assert/strict';
import { inspect } from 'node:util';
import { RedisBlobStore } from '../../src/blobstore/backends/redis-blob-store.js';
import { readBlob } from '../../src/blobstore/read-blob.js';
import { Code } from '../../src/common/code.js';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import { RedisConnection } from '../../src/redis/redis-connection.js';
import { needsProgram } from '../helpers/capabilities.js';
import { chunks } from '../helpers/chunks.js';
import { hasCode } from '../helpers/has-code.js';
import { RecordingLogger } from '../helpers/recording-logger.js';
import { RedisServer } from '../helpers/redis-server.js';

const host = '127.0.0.1';

describe('RedisConnection', function () {
  this.timeout(60_000);
  const hello = Digest.of(Buffer.from('hello'));
  const lifecycle = new Lifecycle();
  const logger = new RecordingLogger();

  before(function () {
    needsProgram(this, 'redis-server', 'how the connection to Redis breaks and comes back');
  });

  beforeEach(() => void logger.lines.splice(0));

  afterEach(() => lifecycle[Symbol.asyncDispose]());

  async function open(server: RedisServer, options: object = {}): Promise<RedisConnection> {
    return lifecycle.use(await RedisConnection.open({ host, port: server.port, logger, ...options }));
  }

  it('fails with UNAVAILABLE while the server is away, says so once, and heals by itself (U5)', async () => {
    const server = lifecycle.use(await RedisServer.start());
    const store = new RedisBlobStore({ connection: await open(server) });
    await store.write(hello, chunks('hello'));

    await server.kill();
    for (let call = 0; call < 2; call += 1) {
      await assert.rejects(store.findMissing([hello]), (reason) => {
        assert.ok(reason instanceof StatusError && reason.code === Code.Unavailable, String(reason));
        assert.match(reason.message, /Redis at 127\.0\.0\.1:\d+ cannot be reached \(.*ECONNREFUSED/);
        return true;
      });
      await assert.rejects(readBlob(store, hello), hasCode(Code.Unavailable));
      await assert.rejects(store.write(hello, chunks('hello')), hasCode(Code.Unavailable));
      const [outcome] = await store.writeBatch([{ digest: hello, data: Buffer.from('hello') }]);
      assert.equal(outcome?.code, Code.Unavailable);
    }

    await server.start();
    assert.deepEqual(await store.findMissing([hello]), [hello]);
    await store.write(hello, chunks('hello'));
    assert.equal(String(await readBlob(store, hello)), 'hello');
    assert.deepEqual(
      logger.lines.map(({ level }) => level),
      ['error', 'info'],
    );
  });

  it('lets commands wait out a short break', async () => {
    const server = lifecycle.use(await RedisServer.start());
    const connection = await open(server);
    await connection.run('Storing', (redis) => redis.set('key', 'value'));

    const dropped = new Promise<void>((resolve) => {
      void connection.run('Asking', async (redis) => redis.once('close', resolve));
    });
    await connection.run('Breaking', (redis) => redis.client('KILL', 'TYPE', 'normal', 'SKIPME', 'no')).catch(() => 0);
    await dropped;

    assert.equal(await connection.run('Reading', (redis) => redis.get('key')), 'value');
  });

  it('can begin before the server does', async () => {
    const server = lifecycle.use(await RedisServer.start());
    await server.kill();
    const connection = await open(server);
    await assert.rejects(
      connection.run('Reading', (redis) => redis.get('key')),
      hasCode(Code.Unavailable),
    );

    await server.start();

    assert.equal(await connection.run('Reading', (redis) => redis.get('key')), null);
  });

  it('gives the password, and uses the database that it is told', async () => {
    const server = lifecycle.use(await RedisServer.start({ password: 'open sesame' }));
    const [first, third] = [
      await open(server, { password: 'open sesame' }),
      await open(server, { password: 'open sesame', db: 3 }),
    ];

    await third.run('Storing', (redis) => redis.set('key', 'value'));

    assert.equal(await third.run('Reading', (redis) => redis.get('key')), 'value');
    assert.equal(await first.run('Reading', (redis) => redis.get('key')), null);
  });

  it('tells to check the password when it is wrong or missing, and tells it nobody (S6)', async () => {
    const server = lifecycle.use(await RedisServer.start({ password: 'open sesame' }));
    for (const options of [{ password: 'open barley' }, {}]) {
      const connection = await open(server, options);

      const reason: unknown = await connection
        .run('Reading', (redis) => redis.get('key'))
        .catch((each: unknown) => each);

      assert.ok(reason instanceof StatusError && reason.code === Code.Unavailable, String(reason));
      assert.match(reason.message, /check the password/);
      assert.doesNotMatch(inspect([reason, logger.lines], { depth: 10, showHidden: true }), /open barley/);
    }
  });

  it('gives up on a server that stands still, and heals when it goes on', async () => {
    const server = lifecycle.use(await RedisServer.start());
    const connection = await open(server, { answerTimeoutMs: 200 });
    await connection.run('Storing', (redis) => redis.set('key', 'value'));

    server.signal('SIGSTOP');
    await assert.rejects(
      connection.run('Reading', (redis) => redis.get('key')),
      hasCode(Code.Unavailable),
    );
    server.signal('SIGCONT');

    assert.equal(await connection.run('Reading', (redis) => redis.get('key')), 'value');
  });
});
