import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BlobNotFoundError } from '../../src/blobstore/blob-store.js';
import { readBlob } from '../../src/blobstore/read-blob.js';
import { Lifecycle } from '../../src/common/lifecycle.js';
import type { BlobStoreConfig } from '../../src/config/storage-config.js';
import { Digest } from '../../src/digest/digest.js';
import { Composition } from '../../src/server/composition.js';
import { createBlobStore } from '../../src/server/create-blob-store.js';
import { chunks } from '../helpers/chunks.js';
import { RecordingLogger } from '../helpers/recording-logger.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

describe('createBlobStore', () => {
  it('gives what stands behind one anchor as one store', async () => {
    await using lifecycle = new Lifecycle();
    const composition = new Composition(lifecycle, new RecordingLogger());
    const config: BlobStoreConfig = { type: 'lru-storage', node: 7, size: 1_000 };

    const first = await createBlobStore(config, composition);

    assert.equal(await createBlobStore({ ...config }, composition), first);
    assert.notEqual(await createBlobStore({ ...config, node: 8 }, composition), first);
  });

  it('tells the log of a blob that was damaged on the disk (D2)', async () => {
    await using folder = await temporaryDirectory();
    await using lifecycle = new Lifecycle();
    const logger = new RecordingLogger();
    const composition = new Composition(lifecycle, logger);
    const config: BlobStoreConfig = { type: 'disk-storage', node: 1, path: folder.path, size: 1_000_000 };
    const store = await createBlobStore(config, composition);
    const data = Buffer.alloc(100_000, 'blob');
    const digest = Digest.of(data);
    await store.write(digest, chunks(data));
    const file = join(folder.path, 'sha256', digest.hash.slice(0, 2), `${digest.hash}-100000`);
    await chmod(file, 0o644);
    await writeFile(file, Buffer.alloc(100_000, 'BLOB'));

    await assert.rejects(readBlob(store, digest), BlobNotFoundError);

    const lines = logger.lines.filter(({ level }) => level === 'error');
    assert.deepEqual(
      lines.map(({ message, fields }) => [message, fields]),
      [['A stored blob does not hash to its digest and is put aside', { digest }]],
    );
  });

  it('composes storages, whose parts it verifies, and gives a part that has an anchor as one store', async () => {
    await using lifecycle = new Lifecycle();
    const composition = new Composition(lifecycle, new RecordingLogger());
    const [small, large] = [7, 8].map((node): BlobStoreConfig => ({ type: 'lru-storage', node, size: 1_000 }));
    assert.ok(small && large);
    const split: BlobStoreConfig = { type: 'split-storage', node: 1, small, large, threshold: 3 };
    const store = await createBlobStore(split, composition);
    const [three, four] = ['abc', 'abcd'].map((text) => Digest.of(Buffer.from(text))) as [Digest, Digest];

    await store.write(three, chunks('abc'));
    await store.write(four, chunks('abcd'));

    const part = await createBlobStore(small, composition);
    assert.deepEqual(await part.findMissing([three, four]), [four]);
    await assert.rejects(part.write(four, chunks('xxxx')), /hashes to/);
  });
});
