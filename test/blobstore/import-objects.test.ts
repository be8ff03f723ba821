import assert from 'node:assert/strict';
import { mkdir, readFile, unlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import { BuildGridObjects } from '../../src/blobstore/buildgrid-objects.js';
import { VerifyingBlobStore } from '../../src/blobstore/decorators/verifying-blob-store.js';
import { type ImportedBlobs, importObjects } from '../../src/blobstore/import-objects.js';
import { readBlob } from '../../src/blobstore/read-blob.js';
import { Code } from '../../src/common/code.js';
import { Digest } from '../../src/digest/digest.js';
import { SHA1 } from '../../src/digest/digest-function.js';
import { hasCode } from '../helpers/has-code.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

describe('importObjects', () => {
  const texts = Array.from({ length: 1500 }, (_, index) => Buffer.from(`blob ${index}`));
  const large = Buffer.alloc(3_000_000, 'large');
  let folder: Awaited<ReturnType<typeof temporaryDirectory>>;
  let store: VerifyingBlobStore;
  let damaged: string[];

  beforeEach(async () => {
    folder = await temporaryDirectory();
    store = new VerifyingBlobStore(new MemoryBlobStore());
    damaged = [];
    for (const data of [...texts.slice(0, 3), large]) await put(Digest.of(data), data);
  });

  afterEach(() => folder[Symbol.asyncDispose]());

  const fileOf = ({ hash }: { readonly hash: string }): string =>
    join(folder.path, 'cas', 'objects', hash.slice(0, 2), hash.slice(2));
  const put = async (digest: { readonly hash: string }, data: Uint8Array): Promise<void> => {
    await mkdir(dirname(fileOf(digest)), { recursive: true });
    await writeFile(fileOf(digest), data);
  };
  const run = async (): Promise<ImportedBlobs> => {
    const objects = await BuildGridObjects.open(folder.path);
    const onDamaged = (path: string, fault: string): void => void damaged.push(`${path}: ${fault}`);
    return importObjects(objects.list(), { store, onDamaged, onProgress: () => undefined });
  };

  it('stores what BuildGrid has, small and large, and leaves it there', async () => {
    for (const data of texts.slice(3)) await put(Digest.of(data), data);

    const { blobs, sizeBytes, present } = await run();

    const all = [...texts, large];
    assert.deepEqual([blobs, present], [1501, 0]);
    assert.equal(
      sizeBytes,
      all.reduce((sum, data) => sum + data.length, 0),
    );
    for (const data of all) assert.ok(data.equals(await readBlob(store, Digest.of(data))));
    assert.ok(large.equals(await readFile(fileOf(Digest.of(large)))));
  });

  it('passes over what is there already', async () => {
    await run();

    assert.deepEqual(await run(), { blobs: 0, sizeBytes: 0, present: 4, damaged: 0 });
  });

  it('takes blobs of other digest functions, which it tells by the length of their names', async () => {
    const data = Buffer.from('sha1');
    await put(Digest.of(data, SHA1), data);

    await run();

    assert.equal(String(await readBlob(store, Digest.of(data, SHA1))), 'sha1');
  });

  it('tells of files that do not hold what their names say, and stores none of them', async () => {
    const [a, b, c] = texts.slice(0, 3).map((data) => Digest.of(data)) as [Digest, Digest, Digest];
    await put(a, Buffer.from('rotten'));
    await put(b, Buffer.alloc(0));
    await put(Digest.of(large), Buffer.alloc(3_000_000, 'L'));

    assert.deepEqual(await run(), { blobs: 1, sizeBytes: c.sizeBytes, present: 0, damaged: 3 });

    assert.equal(damaged.length, 3);
    for (const digest of [a, b, Digest.of(large)]) assert.ok(damaged.some((line) => line.startsWith(fileOf(digest))));
    assert.deepEqual(await store.findMissing([a, b, c]), [a, b]);
  });

  it('tells of files that have gone while it looked', async () => {
    const objects = await BuildGridObjects.open(folder.path);
    const going = (async function* () {
      for await (const object of objects.list()) {
        await unlink(object.path);
        yield object;
      }
    })();
    const onDamaged = (path: string, fault: string): void => void damaged.push(`${path}: ${fault}`);

    const { blobs } = await importObjects(going, { store, onDamaged, onProgress: () => undefined });

    assert.equal(blobs, 0);
    assert.equal(damaged.length, 4);
    assert.match(damaged[0]!, /it cannot be read/);
  });

  it('passes the empty blob over, and what is no blob', async () => {
    await put(Digest.empty(), Buffer.alloc(0));
    await put({ hash: `${'0'.repeat(64)}.tmp` }, Buffer.from('temporary'));
    await writeFile(join(folder.path, 'cas', 'objects', 'README'), 'not a blob');

    assert.equal((await run()).blobs, 4);
    assert.deepEqual(damaged, []);
  });

  it('ends when the store fails', async () => {
    store = new VerifyingBlobStore(new MemoryBlobStore({ maxBytes: 1_000_000 }));

    await assert.rejects(run(), hasCode(Code.ResourceExhausted));
  });

  it('stops when the signal aborts', async () => {
    const objects = await BuildGridObjects.open(folder.path);
    const signal = AbortSignal.abort();

    await assert.rejects(
      importObjects(objects.list(signal), { store, onDamaged: () => undefined, onProgress: () => undefined }, signal),
    );
  });

  it('wants a folder that BuildGrid has made', async () => {
    await assert.rejects(BuildGridObjects.open(join(folder.path, 'cas')), (reason: Error) => {
      assert.match(reason.message, /no folder .*cas\/objects, where BuildGrid keeps its blobs/);
      return hasCode(Code.FailedPrecondition)(reason);
    });
  });
});
