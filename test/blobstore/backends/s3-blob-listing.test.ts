import assert from 'node:assert/strict';
import { S3BlobListing } from '../../../src/blobstore/backends/s3-blob-listing.js';
import { S3BlobStore } from '../../../src/blobstore/backends/s3-blob-store.js';
import type { FoundBlob } from '../../../src/blobstore/found-blob.js';
import { Code } from '../../../src/common/code.js';
import { Lifecycle } from '../../../src/common/lifecycle.js';
import { Digest } from '../../../src/digest/digest.js';
import { SHA1, SHA512 } from '../../../src/digest/digest-function.js';
import { S3Connection } from '../../../src/s3/s3-connection.js';
import { Fauxqs } from '../../helpers/fauxqs.js';
import { hasCode } from '../../helpers/has-code.js';

describe('S3BlobListing on a real service', function () {
  this.timeout(60_000);
  const lifecycle = new Lifecycle();
  let fauxqs: Fauxqs;
  let connection: S3Connection;

  before(async () => {
    fauxqs = lifecycle.use(await Fauxqs.start());
    const keys = { accessKey: 'key', secretKey: 'secret' };
    connection = lifecycle.use(await S3Connection.open({ endpoint: fauxqs.endpoint, ...keys }));
  });

  after(() => lifecycle[Symbol.asyncDispose]());

  async function list(bucket: string): Promise<readonly FoundBlob[]> {
    const found: FoundBlob[] = [];
    for await (const blob of new S3BlobListing(connection, bucket).list()) found.push(blob);
    return found;
  }

  const keysOf = (digests: readonly Digest[]): string[] => digests.map(({ key }) => key).sort();

  it('names every blob once, however many pages they take, with the time when it was stored', async () => {
    await fauxqs.createBucket('many');
    const store = new S3BlobStore({ connection, bucket: 'many' });
    const blobs = Array.from({ length: 1_100 }, (_, index) => {
      const data = Buffer.from(`blob ${index}`);
      return { digest: Digest.of(data), data };
    });
    await store.writeBatch(blobs);

    const found = await list('many');

    assert.deepEqual(keysOf(found.map(({ digest }) => digest)), keysOf(blobs.map(({ digest }) => digest)));
    assert.ok(found.every(({ modifiedAtMs }) => Math.abs(modifiedAtMs - Date.now()) < 60_000));
  });

  it('names blobs of all digest functions, and nothing else that is in the bucket', async () => {
    await fauxqs.createBucket('mixed');
    const data = Buffer.from('hello');
    const digests = [Digest.of(data), Digest.of(data, SHA1), Digest.of(data, SHA512)];
    await new S3BlobStore({ connection, bucket: 'mixed' }).writeBatch(digests.map((digest) => ({ digest, data })));
    const { hash } = Digest.of(Buffer.from('other'));
    for (const key of ['keyed/ac/x', `${hash}_6`, `${hash}_5x`, `sha256/${hash}_5`, `nohash/${hash}_5`, `${hash}_05`]) {
      await fauxqs.put('mixed', key, Buffer.from('other'));
    }

    const found = await list('mixed');

    assert.deepEqual(keysOf(found.map(({ digest }) => digest)), keysOf(digests));
  });

  it('goes through all buckets of a template', async () => {
    for (const digit of '0123456789abcdef') await fauxqs.createBucket(`part-${digit}`);
    const blobs = Array.from({ length: 30 }, (_, index) => {
      const data = Buffer.from(`blob ${index}`);
      return { digest: Digest.of(data), data };
    });
    await new S3BlobStore({ connection, bucket: 'part-{digest[0]}' }).writeBatch(blobs);

    const found = await list('part-{digest[0]}');

    assert.deepEqual(keysOf(found.map(({ digest }) => digest)), keysOf(blobs.map(({ digest }) => digest)));
  });

  it('is UNAVAILABLE where there is no bucket', async () => {
    await assert.rejects(list('nowhere'), hasCode(Code.Unavailable));
  });
});
