import assert from 'node:assert/strict';
import { BlobNotFoundError } from '../../../src/blobstore/blob-store.js';
import { readBlob } from '../../../src/blobstore/read-blob.js';
import { collectBytes } from '../../../src/common/async-iteration.js';
import { Code } from '../../../src/common/code.js';
import { StatusError } from '../../../src/common/status-error.js';
import { Digest } from '../../../src/digest/digest.js';
import { SHA1 } from '../../../src/digest/digest-function.js';
import { Lifecycle } from '../../../src/common/lifecycle.js';
import { RedisBlobStore } from '../../../src/blobstore/backends/redis-blob-store.js';
import { RedisConnection } from '../../../src/redis/redis-connection.js';
import { needsProgram } from '../../helpers/capabilities.js';
import { chunks } from '../../helpers/chunks.js';
import { hasCode } from '../../helpers/has-code.js';
import { RedisServer } from '../../helpers/redis-server.js';
import { describeBlobStore, inChunks, patternedBytes } from '../contract/blob-store.js';

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

  describe('RedisBlobStore', () => {
    const hello = Digest.of(Buffer.from('hello'));
    const large = patternedBytes(3 * 1024 * 1024 + 17);
    const largeDigest = Digest.of(large);
    const largeKey = `${largeDigest.hash}_${large.length}`;
    let store: RedisBlobStore;

    beforeEach(() => {
      store = new RedisBlobStore({ connection });
    });

    const keys = (): Promise<string[]> => connection.run('Listing', (redis) => redis.keys('*'));
    const ttl = (key: string): Promise<number> => connection.run('Asking', (redis) => redis.ttl(key));

    it("keeps SHA-256 under BuildGrid's keys and other functions in folders of their own", async () => {
      const sha1 = Digest.of(Buffer.from('hello'), SHA1);

      await store.write(hello, chunks('hello'));
      await store.writeBatch([{ digest: sha1, data: Buffer.from('hello') }]);

      assert.deepEqual((await keys()).sort(), [`${hello.hash}_5`, `sha1/${sha1.hash}_5`].sort());
      assert.equal(await connection.run('Reading', (redis) => redis.get(`${hello.hash}_5`)), 'hello');
    });

    it('reads what BuildGrid has written, of any size', async () => {
      await connection.run('Storing', (redis) => redis.set(`${hello.hash}_5`, 'hello'));
      await connection.run('Storing', (redis) => redis.set(largeKey, large));

      assert.deepEqual(await store.findMissing([hello, largeDigest]), []);
      assert.equal(String(await readBlob(store, hello)), 'hello');
      assert.ok(large.equals(await readBlob(store, largeDigest)));
      const part = store.read(largeDigest, { offset: 1_048_570, limit: 1_048_590 });
      assert.ok(large.subarray(1_048_570, 2_097_160).equals(await collectBytes(part)));
    });

    it('keeps a large blob in chunks under one key, so that it goes as a whole or not at all', async () => {
      await store.write(largeDigest, inChunks(large, 100_000));

      assert.deepEqual(await keys(), [largeKey]);
      const sizes = await Promise.all(
        ['0', '1', '2', '3'].map((field) => connection.run('Asking', (redis) => redis.hstrlen(largeKey, field))),
      );
      assert.deepEqual(sizes, [1_048_576, 1_048_576, 1_048_576, 17]);
      assert.equal(await ttl(largeKey), -1);
    });

    it('leaves no chunk of a large upload that fails or lacks bytes (D3)', async () => {
      const broken = (async function* () {
        yield large.subarray(0, 2_500_000);
        throw new StatusError(Code.Unavailable, 'connection lost');
      })();

      await assert.rejects(store.write(largeDigest, broken), /connection lost/);
      await assert.rejects(
        store.write(largeDigest, inChunks(large.subarray(1), 65_536)),
        hasCode(Code.InvalidArgument),
      );

      assert.deepEqual(await keys(), []);
    });

    it('lets the chunks of a writer that was killed expire', async () => {
      let seen: number | undefined;
      const content = (async function* () {
        yield large.subarray(0, 2_500_000);
        const [temporary = ''] = await keys();
        seen = await ttl(temporary);
        yield large.subarray(2_500_000);
      })();

      await store.write(largeDigest, content);

      assert.ok(seen !== undefined && seen > 0, String(seen));
    });

    it('counts a value of another length or with a lost chunk as absent, and takes it anew', async () => {
      await connection.run('Storing', (redis) => redis.set(`${hello.hash}_5`, 'hell'));
      await store.write(largeDigest, inChunks(large, 65_536));
      await connection.run('Spoiling', (redis) => redis.hdel(largeKey, '1'));

      assert.deepEqual(await store.findMissing([hello, largeDigest]), [hello, largeDigest]);
      await assert.rejects(readBlob(store, hello), BlobNotFoundError);
      await assert.rejects(readBlob(store, largeDigest), BlobNotFoundError);

      await store.write(largeDigest, inChunks(large, 65_536));
      assert.ok(large.equals(await readBlob(store, largeDigest)));
    });

    it('forgets a blob with a cut chunk once a reader has met it, and never ends the read as if it were whole (D2)', async () => {
      await store.write(largeDigest, inChunks(large, 65_536));
      await connection.run('Spoiling', (redis) => redis.hset(largeKey, '2', 'cut'));

      await assert.rejects(readBlob(store, largeDigest), BlobNotFoundError);

      assert.deepEqual(await store.findMissing([largeDigest]), [largeDigest]);
    });

    it('puts off the end of a blob that somebody asks for or reads', async () => {
      const expiring = new RedisBlobStore({ connection, ttlSeconds: 100 });
      const key = `${hello.hash}_5`;
      await expiring.write(hello, chunks('hello'));
      await expiring.write(largeDigest, inChunks(large, 65_536));
      for (const use of [() => expiring.findMissing([hello, largeDigest]), () => readBlobs(expiring)]) {
        for (const each of [key, largeKey]) await connection.run('Ageing', (redis) => redis.expire(each, 5));

        await use();

        assert.ok((await ttl(key)) > 90);
        assert.ok((await ttl(largeKey)) > 90);
      }
    });

    const readBlobs = async (from: RedisBlobStore): Promise<void> => {
      await readBlob(from, hello);
      await readBlob(from, largeDigest);
    };

    it('is RESOURCE_EXHAUSTED when the server has no memory left, and heals when it has', async () => {
      await connection.run('Configuring', (redis) => redis.config('SET', 'maxmemory', '1000000'));

      await assert.rejects(store.write(hello, chunks('hello')), hasCode(Code.ResourceExhausted));
      const [outcome] = await store.writeBatch([{ digest: hello, data: Buffer.from('hello') }]);
      assert.equal(outcome?.code, Code.ResourceExhausted);
      await assert.rejects(store.write(largeDigest, inChunks(large, 65_536)), hasCode(Code.ResourceExhausted));

      await connection.run('Configuring', (redis) => redis.config('SET', 'maxmemory', '0'));
      await store.write(hello, chunks('hello'));
      assert.deepEqual(await store.findMissing([hello]), []);
    });
  });
});
