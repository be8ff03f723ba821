import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { Lifecycle } from '../../../src/common/lifecycle.js';
import { S3KeyedStore } from '../../../src/keyedstore/backends/s3-keyed-store.js';
import { S3Connection } from '../../../src/s3/s3-connection.js';
import { FaultyS3 } from '../../helpers/faulty-s3.js';
import { Fauxqs } from '../../helpers/fauxqs.js';
import { describeKeyedStore } from '../contract/keyed-store.js';

describe('S3KeyedStore on a real service', () => {
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

  describeKeyedStore('S3KeyedStore', async (clock) => {
    const bucket = `contract-${(buckets += 1)}`;
    await fauxqs.createBucket(bucket);
    return new S3KeyedStore({ connection, bucket, clock });
  });

  describe('S3KeyedStore', () => {
    let bucket: string;
    let store: S3KeyedStore;

    beforeEach(async () => {
      bucket = `own-${(buckets += 1)}`;
      await fauxqs.createBucket(bucket);
      store = new S3KeyedStore({ connection, bucket });
    });

    it('names objects by their keys where these make good names, else by their hash', async () => {
      await store.put('ac/sha256/abc-5', Buffer.from('plain'));
      await store.put('../up', Buffer.from('dotted'));

      const up = hash('sha256', '../up', 'hex');
      assert.deepEqual([...(await fauxqs.objects(bucket)).keys()].sort(), ['keyed/ac/sha256/abc-5', `keyed/~${up}`]);
    });

    it('counts a value that was changed behind its back as absent (D2)', async () => {
      await store.put('key', Buffer.from('value'));
      const changed = await fetch(`${fauxqs.endpoint}/${bucket}/keyed/key`, {
        method: 'PUT',
        body: 'valuE',
        headers: { 'x-amz-meta-sha256': hash('sha256', 'value', 'hex') },
      });
      assert.ok(changed.ok);

      assert.equal(await store.get('key'), undefined);
    });

    it('reads what somebody else has put without our metadata', async () => {
      await fauxqs.put(bucket, 'keyed/key', Buffer.from('value'));

      assert.equal(String(await store.get('key')), 'value');
    });

    it('reads a value again whose body was cut or that the service was too busy to give', async () => {
      await using faulty = await FaultyS3.listen(fauxqs.endpoint);
      const policy = { maxAttempts: 4, initialDelayMs: 1, maxDelayMs: 1 };
      const keys = { accessKey: 'key', secretKey: 'secret' };
      using line = await S3Connection.open({ endpoint: faulty.endpoint, policy, ...keys });
      await store.put('key', Buffer.from('value'));
      faulty.fail('GET', 'cut', 2);
      faulty.fail('GET', 'slow-down', 1);

      assert.equal(String(await new S3KeyedStore({ connection: line, bucket }).get('key')), 'value');
      assert.equal(faulty.count('GET'), 4);
    });
  });
});
