import assert from 'node:assert/strict';
import { collectBytes } from '../../../src/common/async-iteration.js';
import { Code } from '../../../src/common/code.js';
import { BlobNotFoundError, type BlobStore } from '../../../src/blobstore/blob-store.js';
import { DiskBlobStore } from '../../../src/blobstore/backends/disk-blob-store.js';
import { MemoryBlobStore } from '../../../src/blobstore/backends/memory-blob-store.js';
import { VerifyingBlobStore } from '../../../src/blobstore/decorators/verifying-blob-store.js';
import { readBlob } from '../../../src/blobstore/read-blob.js';
import { Digest } from '../../../src/digest/digest.js';
import { digestFunctions, loadDigestFunctions } from '../../../src/digest/digest-function.js';
import { chunks } from '../../helpers/chunks.js';
import { hasCode } from '../../helpers/has-code.js';
import { temporaryDirectory } from '../../helpers/temporary-directory.js';
import { describeBlobStore, inChunks, patternedBytes } from '../contract/blob-store.js';

describeBlobStore('VerifyingBlobStore over memory', () => new VerifyingBlobStore(new MemoryBlobStore()));

describeBlobStore('VerifyingBlobStore over disk', async () => {
  const folder = await temporaryDirectory();
  const disk = await DiskBlobStore.open({ path: folder.path });
  return Object.assign(new VerifyingBlobStore(disk), {
    [Symbol.asyncDispose]: async () => {
      await disk[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  });
});

describe('VerifyingBlobStore', () => {
  const hello = Digest.of(Buffer.from('hello'));
  const large = patternedBytes(3 * 1024 * 1024 + 5);
  const largeDigest = Digest.of(large);
  let inner: MemoryBlobStore;
  let store: BlobStore;

  beforeEach(() => {
    inner = new MemoryBlobStore();
    store = new VerifyingBlobStore(inner);
  });

  const damaged = (data: Buffer): Buffer => {
    const copy = Buffer.from(data);
    copy[copy.length - 1]! ^= 1;
    return copy;
  };

  it('refuses content of the right size and the wrong hash before it is stored (D2, CAS-7)', async () => {
    await assert.rejects(store.write(hello, chunks('hallo')), hasCode(Code.InvalidArgument));

    assert.deepEqual(await inner.findMissing([hello]), [hello]);
  });

  it('refuses one bad entry of a batch and stores the others (CAS-5)', async () => {
    const world = Digest.of(Buffer.from('world'));
    const [bad, good] = await store.writeBatch([
      { digest: hello, data: Buffer.from('hallo') },
      { digest: world, data: Buffer.from('world') },
    ]);

    assert.equal(bad?.code, Code.InvalidArgument);
    assert.equal(good, undefined);
    assert.deepEqual(await store.findMissing([hello, world]), [hello]);
  });

  it('has the empty blob of every function without upload, and takes it (DIG-6)', async () => {
    await loadDigestFunctions();
    for (const fn of digestFunctions) {
      const empty = Digest.empty(fn);

      assert.deepEqual(await store.findMissing([empty]), []);
      assert.equal((await readBlob(store, empty)).length, 0);
      await store.write(empty, chunks());
      assert.deepEqual(await store.writeBatch([{ digest: empty, data: Buffer.alloc(0) }]), [undefined]);
    }
  });

  it('refuses bytes under the digest of the empty blob in a batch', async () => {
    const [outcome] = await store.writeBatch([{ digest: Digest.empty(), data: Buffer.from('x') }]);

    assert.equal(outcome?.code, Code.InvalidArgument);
  });

  it('reports OUT_OF_RANGE before it looks whether the blob exists', async () => {
    await assert.rejects(collectBytes(store.read(hello, { offset: 6 })), hasCode(Code.OutOfRange));
    await assert.rejects(collectBytes(store.read(Digest.empty(), { offset: 1 })), hasCode(Code.OutOfRange));
  });

  it('treats a small damaged blob as not there, and deletes it (D2, CAS-4)', async () => {
    await inner.write(hello, chunks('hallo'));

    await assert.rejects(readBlob(store, hello), BlobNotFoundError);

    assert.deepEqual(await inner.findMissing([hello]), [hello]);
  });

  it('never serves a part of a small damaged blob', async () => {
    await inner.write(hello, chunks('hallo'));

    await assert.rejects(collectBytes(store.read(hello, { offset: 3, limit: 1 })), BlobNotFoundError);
  });

  it('ends the read of a large damaged blob with DATA_LOSS before its last bytes, and deletes it (D2)', async () => {
    await inner.write(largeDigest, inChunks(damaged(large), 1024 * 1024));
    let received = 0;

    await assert.rejects(async () => {
      for await (const chunk of store.read(largeDigest)) received += chunk.length;
    }, hasCode(Code.DataLoss));

    assert.ok(received < large.length);
    assert.deepEqual(await inner.findMissing([largeDigest]), [largeDigest]);
  });

  it('serves no byte of a part of a large damaged blob', async () => {
    await inner.write(largeDigest, inChunks(damaged(large), 1024 * 1024));
    let received = 0;

    await assert.rejects(async () => {
      for await (const chunk of store.read(largeDigest, { offset: 0, limit: 10 })) received += chunk.length;
    }, hasCode(Code.DataLoss));

    assert.equal(received, 0);
  });

  it('checks a blob once, and anew after it was written again', async () => {
    await store.write(hello, chunks('hello'));
    await readBlob(store, hello);
    await inner.delete([hello]);
    await inner.write(hello, chunks('hallo'));
    assert.equal(String(await readBlob(store, hello)), 'hallo', 'not hashed a second time');

    await store.delete([hello]);
    await inner.write(hello, chunks('hallo'));

    await assert.rejects(readBlob(store, hello), BlobNotFoundError);
  });

  it('serves a large blob right, whole and in part, before and after it was checked', async () => {
    await store.write(largeDigest, inChunks(large, 1024 * 1024));
    const part = { offset: 1_048_570, limit: 20 };

    const before = await collectBytes(store.read(largeDigest, part));
    const whole = await readBlob(store, largeDigest);
    const after = await collectBytes(store.read(largeDigest, part));

    assert.ok(whole.equals(large));
    assert.ok(before.equals(large.subarray(1_048_570, 1_048_590)));
    assert.ok(after.equals(before));
  });

  it('holds at most 64 MiB for readers that do not go on, however many they are (U4)', async () => {
    await using folder = await temporaryDirectory();
    await using disk = await DiskBlobStore.open({ path: folder.path });
    const blobs = Array.from({ length: 80 }, (_, index) => Buffer.alloc(1024 * 1024, `blob ${index} `));
    await disk.writeBatch(blobs.map((data) => ({ digest: Digest.of(data), data })));
    const verifying = new VerifyingBlobStore(disk);
    const memory = { take: (maxBytes: number) => Buffer.alloc(Math.min(maxBytes, 16 * 1024)) };
    const reads = blobs.map((data) => verifying.read(Digest.of(data), { chunks: memory })[Symbol.asyncIterator]());

    const held = await Promise.all(reads.map((read) => read.next()));

    const sizes = held.map(({ value }) => (value as Uint8Array).buffer.byteLength);
    const heldBytes = sizes.reduce((sum, size) => sum + size, 0);
    assert.ok(heldBytes <= 64 * 1024 * 1024 + 80 * 16 * 1024, `${heldBytes} bytes`);
    for (const [index, read] of reads.entries()) {
      const chunks = [held[index]!.value as Uint8Array];
      for (let next = await read.next(); next.done !== true; next = await read.next()) chunks.push(next.value);
      assert.ok(Buffer.concat(chunks).equals(blobs[index]!));
    }
  });

  it('treats a damaged blob as not there also when it has no memory left for it', async () => {
    const blobs = Array.from({ length: 65 }, (_, index) => Buffer.alloc(1024 * 1024, `blob ${index} `));
    for (const data of blobs) await inner.write(Digest.of(data), inChunks(data, 1024 * 1024));
    const reads = blobs.slice(1).map((data) => store.read(Digest.of(data))[Symbol.asyncIterator]());
    await Promise.all(reads.map((read) => read.next()));
    await inner.delete([Digest.of(blobs[0]!)]);
    await inner.write(Digest.of(blobs[0]!), inChunks(damaged(blobs[0]!), 1024 * 1024));

    await assert.rejects(readBlob(store, Digest.of(blobs[0]!)), BlobNotFoundError);

    for (const read of reads) await read.return?.();
    await store.write(Digest.of(blobs[0]!), inChunks(blobs[0]!, 1024 * 1024));
    assert.ok((await readBlob(store, Digest.of(blobs[0]!))).equals(blobs[0]!));
  });
});
