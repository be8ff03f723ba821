import { MemoryBlobStore } from '../../../../src/blobstore/backends/memory-blob-store.js';
import { S3BlobStore } from '../../../../src/blobstore/backends/s3-blob-store.js';
import type { BlobStore } from '../../../../src/blobstore/blob-store.js';
import { SqlIndexBlobStore } from '../../../../src/blobstore/decorators/sql-index/sql-index-blob-store.js';
import { VerifyingBlobStore } from '../../../../src/blobstore/decorators/verifying-blob-store.js';
import { Lifecycle } from '../../../../src/common/lifecycle.js';
import { S3Connection } from '../../../../src/s3/s3-connection.js';
import type { Database } from '../../../../src/sql/database.js';
import { databaseKinds } from '../../../helpers/database-kinds.js';
import { Fauxqs } from '../../../helpers/fauxqs.js';
import { describeBlobStore } from '../../contract/blob-store.js';

for (const { kind, open } of databaseKinds) {
  describe(`SqlIndexBlobStore on ${kind}`, function () {
    this.timeout(60_000);
    const lifecycle = new Lifecycle();
    let database: Database;
    let fauxqs: Fauxqs;
    let connection: S3Connection;
    let buckets = 0;

    before(async () => {
      database = lifecycle.use(await open());
      fauxqs = lifecycle.use(await Fauxqs.start());
      const keys = { accessKey: 'key', secretKey: 'secret' };
      connection = lifecycle.use(await S3Connection.open({ endpoint: fauxqs.endpoint, ...keys }));
    });

    after(() => lifecycle[Symbol.asyncDispose]());

    async function indexed(blobs: BlobStore): Promise<SqlIndexBlobStore> {
      const store = await SqlIndexBlobStore.open(new VerifyingBlobStore(blobs), { database });
      await database.statement((sql) => sql('blob_index').delete());
      return store;
    }

    describeBlobStore('SqlIndexBlobStore over memory', () =>
      indexed(new MemoryBlobStore({ maxBytes: 64 * 1024 ** 2 })),
    );

    describeBlobStore('SqlIndexBlobStore over S3', async () => {
      buckets += 1;
      await fauxqs.createBucket(`bucket-${buckets}`);
      return indexed(new S3BlobStore({ connection, bucket: `bucket-${buckets}` }));
    });
  });
}
