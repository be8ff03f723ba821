import { Lifecycle } from '../../../src/common/lifecycle.js';
import { S3KeyedStore } from '../../../src/keyedstore/backends/s3-keyed-store.js';
import { S3Connection } from '../../../src/s3/s3-connection.js';
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
});
