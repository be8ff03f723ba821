import { Lifecycle } from '../../../src/common/lifecycle.js';
import { S3BlobStore } from '../../../src/blobstore/backends/s3-blob-store.js';
import { S3Connection } from '../../../src/s3/s3-connection.js';
import { Fauxqs } from '../../helpers/fauxqs.js';
import { describeBlobStore } from '../contract/blob-store.js';

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
});
