import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { inspect } from 'node:util';
import { collectBytes } from '../../../src/common/async-iteration.js';
import { Code } from '../../../src/common/code.js';
import { Lifecycle } from '../../../src/common/lifecycle.js';
import { S3BlobStore } from '../../../src/blobstore/backends/s3-blob-store.js';
import { BlobNotFoundError } from '../../../src/blobstore/blob-store.js';
import { readBlob } from '../../../src/blobstore/read-blob.js';
import { StatusError } from '../../../src/common/status-error.js';
import { Digest } from '../../../src/digest/digest.js';
import { SHA1 } from '../../../src/digest/digest-function.js';
import { S3Connection } from '../../../src/s3/s3-connection.js';
import { freePort } from '../../helpers/bgd-site.js';
import { chunks } from '../../helpers/chunks.js';
import { FaultyS3 } from '../../helpers/faulty-s3.js';
import { Fauxqs } from '../../helpers/fauxqs.js';
import { hasCode } from '../../helpers/has-code.js';
import { RecordingLogger } from '../../helpers/recording-logger.js';
import { describeBlobStore, inChunks, patternedBytes } from '../contract/blob-store.js';

describe('S3BlobStore on a real service', function () {
  this.timeout(60_000);
  const lifecycle = new Lifecycle();
  let fauxqs: Fauxqs;
  let connection: S3Connection;
  let buckets = 0;

  before(async () => {
    fauxqs = lifecycle.use(await Fauxqs.start());
    const { endpoint } = fauxqs;
    connection = lifecycle.use(await S3Connection.open({ endpoint, accessKey: 'key', secretKey: 'secret' }));
  });

  after(() => lifecycle[Symbol.asyncDispose]());

  describeBlobStore('S3BlobStore', async () => {
    const bucket = `contract-${(buckets += 1)}`;
    await fauxqs.createBucket(bucket);
    return new S3BlobStore({ connection, bucket });
  });

  describe('S3BlobStore', () => {
    const hello = Digest.of(Buffer.from('hello'));
    const large = patternedBytes(20 * 1024 * 1024 + 1);
    const largeDigest = Digest.of(large);
    let bucket: string;
    let store: S3BlobStore;

    beforeEach(async () => {
      bucket = `own-${(buckets += 1)}`;
      await fauxqs.createBucket(bucket);
      store = new S3BlobStore({ connection, bucket });
    });

    it("keeps SHA-256 under BuildGrid's keys and other functions in folders of their own", async () => {
      const sha1 = Digest.of(Buffer.from('hello'), SHA1);

      await store.write(hello, chunks('hello'));
      await store.write(sha1, chunks('hello'));

      assert.deepEqual(
        [...(await fauxqs.objects(bucket)).keys()].sort(),
        [`${hello.hash}_5`, `sha1/${sha1.hash}_5`].sort(),
      );
    });

    it('reads what BuildGrid has written', async () => {
      await fauxqs.put(bucket, `${hello.hash}_5`, Buffer.from('hello'));

      assert.deepEqual(await store.findMissing([hello]), []);
      assert.equal(String(await readBlob(store, hello)), 'hello');
    });

    it("spreads blobs over buckets by BuildGrid's template, and deletes from each", async () => {
      const blobs = Array.from({ length: 8 }, (_, index) => Buffer.from(`spread ${index}`));
      const digests = blobs.map((data) => Digest.of(data));
      for (const { hash } of digests) await fauxqs.createBucket(`shard-${hash[0]}${hash[1]}`);
      const sharded = new S3BlobStore({ connection, bucket: 'shard-{digest[0]}{digest[1]}' });

      await sharded.writeBatch(blobs.map((data, index) => ({ digest: digests[index]!, data })));

      for (const { hash, sizeBytes } of digests) {
        assert.ok((await fauxqs.objects(`shard-${hash[0]}${hash[1]}`)).has(`${hash}_${sizeBytes}`));
      }
      await sharded.delete(digests);
      assert.deepEqual(await sharded.findMissing(digests), digests);
    });

    it('counts an object of another length as absent, and replaces it', async () => {
      for (const content of ['hell', 'hello!']) {
        await fauxqs.put(bucket, `${hello.hash}_5`, Buffer.from(content));

        assert.deepEqual(await store.findMissing([hello]), [hello]);
        await assert.rejects(readBlob(store, hello), BlobNotFoundError);
        await assert.rejects(collectBytes(store.read(hello, { offset: 4 })), BlobNotFoundError);
      }

      await store.write(hello, chunks('hello'));
      assert.equal(String(await readBlob(store, hello)), 'hello');
    });

    it('says which bucket is missing', async () => {
      const nowhere = new S3BlobStore({ connection, bucket: 'nowhere' });

      for (const [digest, content] of [
        [hello, chunks('hello')],
        [largeDigest, inChunks(large, 65_536)],
      ] as const) {
        await assert.rejects(nowhere.write(digest, content), (reason) => {
          assert.ok(reason instanceof StatusError && reason.code === Code.Unavailable);
          assert.match(reason.message, /nowhere|NoSuchBucket/);
          return true;
        });
      }
    });

    describe('behind a line with faults', () => {
      let faulty: FaultyS3;
      let logger: RecordingLogger;
      const ended = new Lifecycle();

      beforeEach(async () => {
        faulty = ended.use(await FaultyS3.listen(fauxqs.endpoint));
        logger = new RecordingLogger();
        const options = { endpoint: faulty.endpoint, accessKey: 'AKIDEXAMPLE', secretKey: 'a-very-secret-key' };
        const policy = { maxAttempts: 4, initialDelayMs: 1, maxDelayMs: 4 };
        const connection = ended.use(await S3Connection.open({ ...options, policy, logger }));
        store = new S3BlobStore({ connection, bucket, logger });
      });

      afterEach(() => ended[Symbol.asyncDispose]());

      it('signs each request with SigV4, the hash of what it sends included', async () => {
        await store.write(hello, chunks('hello'));

        const [put] = faulty.requests;
        assert.match(
          put?.headers.authorization ?? '',
          /^AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE\/\d{8}\/us-east-1\/s3\/aws4_request, SignedHeaders=.*x-amz-content-sha256/,
        );
        assert.equal(put?.headers['x-amz-content-sha256'], hello.hash);
      });

      it('deletes a thousand blobs in one request, with the checksum that older services want', async () => {
        const digests = Array.from({ length: 1_000 }, (_, index) => Digest.of(Buffer.from(`never there ${index}`)));

        await store.delete([hello, ...digests]);

        assert.equal(faulty.count('POST'), 2);
        assert.match(String(faulty.requests[0]?.headers['content-md5']), /^[A-Za-z0-9+/]{22}==$/);
      });

      it('tries again while the service says SlowDown (U2)', async () => {
        faulty.fail('PUT', 'slow-down', 3);
        await store.write(hello, chunks('hello'));
        faulty.fail('HEAD', 'slow-down', 2);
        assert.deepEqual(await store.findMissing([hello]), []);
        faulty.fail('GET', 'slow-down', 3);

        assert.equal(String(await readBlob(store, hello)), 'hello');
        assert.deepEqual([faulty.count('PUT'), faulty.count('HEAD'), faulty.count('GET')], [4, 3, 4]);
        assert.deepEqual(logger.lines, []);
      });

      it('is UNAVAILABLE when it goes on, says so once in the log, and heals by itself (U5)', async () => {
        await store.write(hello, chunks('hello'));
        for (let call = 0; call < 2; call += 1) {
          faulty.fail('HEAD', 'slow-down', 4);
          await assert.rejects(store.findMissing([hello]), hasCode(Code.Unavailable));
          faulty.fail('GET', 'slow-down', 4);
          await assert.rejects(readBlob(store, hello), hasCode(Code.Unavailable));
          faulty.fail('PUT', 'slow-down', 4);
          const [outcome] = await store.writeBatch([{ digest: hello, data: Buffer.from('hello') }]);
          assert.equal(outcome?.code, Code.Unavailable);
        }

        assert.deepEqual(await store.findMissing([hello]), []);
        assert.deepEqual(
          logger.lines.map(({ level }) => level),
          ['error', 'info'],
        );
      });

      it('reads on where a body was cut, and gives every byte once (D2)', async () => {
        await store.write(largeDigest, inChunks(large, 65_536));
        faulty.fail('GET', 'cut', 3);

        assert.ok(large.equals(await readBlob(store, largeDigest)));
        assert.equal(faulty.count('GET'), 4);
        const part = store.read(largeDigest, { offset: 1_000_000, limit: 6_000_000 });
        faulty.fail('GET', 'cut', 2);
        assert.ok(large.subarray(1_000_000, 7_000_000).equals(await collectBytes(part)));
      });

      it('never ends a body that stays cut as if it were whole (D2)', async () => {
        await store.write(hello, chunks('hello'));
        faulty.fail('GET', 'cut', 100);
        await assert.rejects(collectBytes(store.read(Digest.from(hello.hash, 5))), hasCode(Code.Unavailable));
        faulty.reset();
        faulty.fail('GET', 'wrong-length', 100);

        await assert.rejects(collectBytes(store.read(hello)), hasCode(Code.Unavailable));
        faulty.reset();
        assert.equal(String(await readBlob(store, hello)), 'hello');
      });

      it('does not take an answer of the wrong length for the loss of the blob', async () => {
        await store.write(hello, chunks('hello'));
        faulty.fail('GET', 'wrong-length', 2);

        assert.equal(String(await readBlob(store, hello)), 'hello');
      });

      it('uploads a large blob in parts, each tried again alone', async () => {
        faulty.fail('PUT', 'slow-down', 3);

        await store.write(largeDigest, inChunks(large, 100_000));

        assert.equal(faulty.count('PUT'), 3 + 3);
        assert.equal((await fauxqs.objects(bucket)).get(`${largeDigest.hash}_${large.length}`), large.length);
      });

      it('takes the loss of the answer to the last request of an upload for what it is', async () => {
        const content = (async function* () {
          yield* inChunks(large, 1_000_000);
          faulty.fail('POST', 'cut', 1);
        })();

        await store.write(largeDigest, content);

        assert.deepEqual(await store.findMissing([largeDigest]), []);
      });

      it('takes back the parts of an upload that fails (D3)', async () => {
        const broken = (async function* () {
          yield large.subarray(0, 18_000_000);
          throw new StatusError(Code.Unavailable, 'connection lost');
        })();

        await assert.rejects(store.write(largeDigest, broken), /connection lost/);

        assert.equal(faulty.count('DELETE'), 1);
        assert.match(faulty.requests.at(-1)?.url ?? '', /uploadId=/);
        assert.deepEqual(await store.findMissing([largeDigest]), [largeDigest]);
      });

      it('takes back the parts although the writer has gone, and warns if it cannot (D3)', async () => {
        const controller = new AbortController();
        const leaving = (async function* () {
          yield large.subarray(0, 18_000_000);
          controller.abort();
          yield large.subarray(18_000_000);
        })();
        faulty.fail('DELETE', 'slow-down', 4);

        await assert.rejects(store.write(largeDigest, leaving, controller.signal));

        assert.equal(faulty.count('DELETE'), 4);
        assert.match(logger.lines.at(-1)?.message ?? '', /parts of a failed upload stay/);
      });

      it('tells no secret when it fails, in the error or in the log (S6)', async () => {
        faulty.fail('GET', 'slow-down', 100);

        const reason: unknown = await readBlob(store, hello).catch((each: unknown) => each);

        const told = inspect([reason, logger.lines], { depth: 10, showHidden: true });
        assert.ok(reason instanceof StatusError);
        assert.match(reason.message, /S3 at http:\/\/127\.0\.0\.1:\d+ answered 503 \(SlowDown/);
        assert.doesNotMatch(told, /a-very-secret-key|AKIDEXAMPLE|Signature/);
      });
    });

    it('is UNAVAILABLE with the reason when nobody listens', async () => {
      const policy = { maxAttempts: 2, initialDelayMs: 1, maxDelayMs: 1 };
      const keys = { accessKey: 'key', secretKey: 'secret' };
      using nobody = await S3Connection.open({ endpoint: `http://127.0.0.1:${await freePort()}`, policy, ...keys });

      const findMissing = new S3BlobStore({ connection: nobody, bucket }).findMissing([hello]);

      await assert.rejects(findMissing, (reason) => {
        assert.ok(reason instanceof StatusError && reason.code === Code.Unavailable, String(reason));
        assert.match(reason.message, /ECONNREFUSED/);
        return true;
      });
    });

    it('stops its requests when the signal aborts', async () => {
      const silent = createServer(() => undefined).listen(0, '127.0.0.1');
      await once(silent, 'listening');
      const { port } = silent.address() as AddressInfo;
      using asleep = await S3Connection.open({ endpoint: `http://127.0.0.1:${port}`, accessKey: 'a', secretKey: 'b' });
      const controller = new AbortController();
      silent.once('connection', () => controller.abort());

      await assert.rejects(
        new S3BlobStore({ connection: asleep, bucket }).findMissing([hello], controller.signal),
        hasCode(Code.Cancelled),
      );

      silent.close();
    });
  });
});
