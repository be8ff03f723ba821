import assert from 'node:assert/strict';
import { collectBytes } from '../../../src/common/async-iteration.js';
import { Code } from '../../../src/common/code.js';
import { orAborted } from '../../../src/common/or-aborted.js';
import { StatusError } from '../../../src/common/status-error.js';
import { BlobNotFoundError, type BlobStore, type ByteRange } from '../../../src/blobstore/blob-store.js';
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

  describe('whose large blob is wanted in parts by many at a time', () => {
    const part = { offset: 1_048_570, limit: 20 };
    let passes: AbortSignal[];
    let open: () => void;

    /** Counts who goes over the whole of a blob, and holds them up until it is opened. */
    class GatedStore extends MemoryBlobStore {
      readonly #opened = new Promise<void>((resolve) => (open = resolve));

      override async *read(digest: Digest, range?: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array> {
        if (range?.offset === undefined) {
          passes.push(signal!);
          await orAborted(this.#opened, signal);
        }
        yield* super.read(digest, range, signal);
      }
    }

    const readPart = (signal?: AbortSignal): Promise<Buffer> => collectBytes(store.read(largeDigest, part, signal));

    beforeEach(async () => {
      passes = [];
      inner = new GatedStore();
      store = new VerifyingBlobStore(inner);
      await inner.write(largeDigest, inChunks(large, 1024 * 1024));
    });

    it('goes over it once for all of them', async () => {
      const reads = Array.from({ length: 50 }, () => readPart());
      open();

      for (const read of reads) assert.ok((await read).equals(large.subarray(1_048_570, 1_048_590)));
      assert.equal(passes.length, 1);
    });

    it('goes on when the one leaves for whom it has begun, and ends when all have left', async () => {
      const [first, second] = [new AbortController(), new AbortController()];
      const reads = [first, second].map(({ signal }) => readPart(signal));
      for (const read of reads) read.catch(() => undefined);
      first.abort(new StatusError(Code.Cancelled, 'The client is gone'));
      await assert.rejects(reads[0]!, hasCode(Code.Cancelled));
      assert.equal(passes[0]!.aborted, false);

      second.abort(new StatusError(Code.Cancelled, 'The client is gone'));

      await assert.rejects(reads[1]!, hasCode(Code.Cancelled));
      assert.equal(passes[0]!.aborted, true);
      const third = readPart();
      open();
      assert.equal((await third).length, 20);
      assert.equal(passes.length, 2);
    });

    it('serves none of them of a damaged one, which is put aside once', async () => {
      await inner.delete([largeDigest]);
      await inner.write(largeDigest, inChunks(damaged(large), 1024 * 1024));
      const reads = Array.from({ length: 5 }, () => readPart());
      for (const read of reads) read.catch(() => undefined);
      open();

      for (const read of reads) await assert.rejects(read, hasCode(Code.DataLoss));
      assert.equal(passes.length, 1);
    });
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
