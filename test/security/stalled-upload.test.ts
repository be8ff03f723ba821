import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DiskBlobStore } from '../../src/blobstore/backends/disk-blob-store.js';
import { readBlob } from '../../src/blobstore/read-blob.js';
import { Digest } from '../../src/digest/digest.js';
import { chunks } from '../helpers/chunks.js';
import { hasCode } from '../helpers/has-code.js';
import { Code } from '../../src/common/code.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

/** A client may begin an upload, with any digest that it likes, and never go on. */
describe('An upload that stalls', () => {
  const mebibyte = 1024 * 1024;
  const hello = Digest.of(Buffer.from('hello'));
  let folder: Awaited<ReturnType<typeof temporaryDirectory>>;
  let store: DiskBlobStore;
  let stop: AbortController;
  let stalled: Promise<void> | undefined;

  beforeEach(async () => {
    folder = await temporaryDirectory();
    store = await DiskBlobStore.open({ path: folder.path, maxBytes: 100 * mebibyte });
    stop = new AbortController();
  });

  afterEach(async () => {
    stop.abort();
    await stalled?.catch(() => undefined);
    await store[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  /** Resolves when the store waits for the bytes behind `begin`, which never come. */
  const stall = (digest: Digest, begin: string): Promise<void> =>
    new Promise((resolve) => {
      const content = async function* (): AsyncIterable<Uint8Array> {
        yield Buffer.from(begin);
        resolve();
        await new Promise((_, reject) => stop.signal.addEventListener('abort', () => reject(new Error('gave up'))));
      };
      stalled = store.write(digest, content());
      stalled.catch(() => undefined);
    });

  it('keeps nobody else from storing the same blob', async () => {
    await stall(hello, 'hel');

    await store.write(hello, chunks('hello'));

    assert.equal(String(await readBlob(store, hello)), 'hello');
    stop.abort();
    await assert.rejects(stalled ?? Promise.resolve(), /gave up/);
    assert.equal(String(await readBlob(store, hello)), 'hello');
    assert.deepEqual(await readdir(join(folder.path, 'tmp')), []);
  });

  it('keeps nobody else from storing the same blob in a batch', async () => {
    await stall(hello, 'hel');

    assert.deepEqual(await store.writeBatch([{ digest: hello, data: Buffer.from('hello') }]), [undefined]);
  });

  it('evicts nothing for bytes that it only announces, and leaves room for others', async () => {
    await store.write(hello, chunks('hello'));
    await stall(Digest.from('1'.repeat(64), 100 * mebibyte), 'a');
    const other = Digest.of(Buffer.alloc(50 * mebibyte, 'b'));

    await store.write(other, chunks('b'.repeat(50 * mebibyte)));

    assert.deepEqual(await store.findMissing([hello, other]), []);
  });

  it('is refused at once when it announces more than the whole store', async () => {
    const digest = Digest.from('1'.repeat(64), 100 * mebibyte + 1);

    await assert.rejects(store.write(digest, chunks('a')), hasCode(Code.ResourceExhausted));
  });
});
