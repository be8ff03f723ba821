import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import type { BlobSource } from '../../src/blobstore/blob-source.js';
import type { BlobStore } from '../../src/blobstore/blob-store.js';
import { readBlob } from '../../src/blobstore/read-blob.js';
import type { UploadProgress } from '../../src/client/missing-upload.js';
import { uploadMissing } from '../../src/client/upload-missing.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import { patternedBytes } from '../blobstore/contract/blob-store.js';
import { hasCode } from '../helpers/has-code.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

/** A memory store that notes how it is called. */
class NotingBlobStore extends MemoryBlobStore {
  readonly calls: string[] = [];

  override findMissing(...args: Parameters<BlobStore['findMissing']>): ReturnType<BlobStore['findMissing']> {
    this.calls.push(`findMissing ${args[0].length}`);
    return super.findMissing(...args);
  }

  override write(...args: Parameters<BlobStore['write']>): Promise<void> {
    this.calls.push(`write ${args[0].sizeBytes}`);
    return super.write(...args);
  }

  override writeBatch(...args: Parameters<BlobStore['writeBatch']>): ReturnType<BlobStore['writeBatch']> {
    this.calls.push(`writeBatch ${args[0].length}`);
    return super.writeBatch(...args);
  }
}

describe('uploadMissing', () => {
  let store: NotingBlobStore;

  beforeEach(() => {
    store = new NotingBlobStore();
  });

  const sourceOf = (data: Buffer): BlobSource & { data: Buffer } => ({ digest: Digest.of(data), data });
  const small = (index: number): BlobSource & { data: Buffer } => sourceOf(Buffer.from(`source ${index}`));

  it('stores each distinct blob that is missing, and nothing else (CL-1)', async () => {
    const [first, second] = [small(1), small(2)];
    await store.writeBatch([first]);
    store.calls.length = 0;

    const progress = await uploadMissing(store, [first, second, second, sourceOf(Buffer.alloc(0))]);

    assert.deepEqual(store.calls, ['findMissing 2', 'writeBatch 1']);
    assert.deepEqual(progress, { totalBlobs: 2, totalBytes: 16, uploadedBlobs: 1, uploadedBytes: 8 });
    assert.equal(String(await readBlob(store, second.digest)), 'source 2');
  });

  it('sends 5,000 small blobs in a few batches', async () => {
    const sources = Array.from({ length: 5_000 }, (_, index) => sourceOf(Buffer.from(`${'x'.repeat(4_000)}${index}`)));

    const progress = await uploadMissing(store, sources);

    assert.equal(progress.uploadedBlobs, 5_000);
    assert.ok(store.calls.length <= 12, store.calls.join(', '));
    assert.deepEqual(await store.findMissing(sources.map(({ digest }) => digest)), []);
  });

  it('reads small files for batches, each when its turn comes', async () => {
    await using folder = await temporaryDirectory();
    const sources: BlobSource[] = [];
    for (let index = 0; index < 100; index += 1) {
      const path = join(folder.path, String(index));
      const data = Buffer.from(`file ${index}`);
      await writeFile(path, data);
      sources.push({ digest: Digest.of(data), path });
    }

    await uploadMissing(store, sources);

    assert.deepEqual(store.calls, ['findMissing 100', 'writeBatch 100']);
    assert.equal(String(await readBlob(store, sources[42]!.digest)), 'file 42');
  });

  it('streams large files', async () => {
    await using folder = await temporaryDirectory();
    const path = join(folder.path, 'large');
    const data = patternedBytes(3 * 1024 * 1024);
    await writeFile(path, data);

    await uploadMissing(store, [{ digest: Digest.of(data), path }, small(1)]);

    assert.deepEqual(store.calls.toSorted(), ['findMissing 2', `write ${data.length}`, 'writeBatch 1']);
    assert.ok(data.equals(await readBlob(store, Digest.of(data))));
  });

  it('looks at an endless list of sources in portions', async () => {
    const sources = async function* (): AsyncGenerator<BlobSource> {
      for (let index = 0; index < 11_000; index += 1) yield small(index);
    };

    const { totalBlobs, uploadedBlobs } = await uploadMissing(store, sources());

    assert.deepEqual([totalBlobs, uploadedBlobs], [11_000, 11_000]);
    assert.deepEqual(
      store.calls.filter((call) => call.startsWith('find')),
      ['findMissing 5000', 'findMissing 5000', 'findMissing 1000'],
    );
  });

  it('sends what it has while more is still being found, and puts small blobs of several portions into one batch', async () => {
    const callsBefore: string[][] = [];
    const sources = async function* (): AsyncGenerator<BlobSource> {
      for (let index = 0; index < 100; index += 1) {
        await turn();
        callsBefore.push([...store.calls]);
        yield sourceOf(Buffer.alloc(100_000, index + 1));
      }
    };

    const { uploadedBlobs } = await uploadMissing(store, sources());

    assert.equal(uploadedBlobs, 100);
    assert.deepEqual(callsBefore[99], ['findMissing 84', 'writeBatch 41', 'writeBatch 41']);
    assert.deepEqual(store.calls.slice(3), ['findMissing 16', 'writeBatch 18']);
  });

  it('breaks off what is under way when a source or a call fails, and lets nothing go on', async () => {
    const aborted: unknown[] = [];
    store.write = (_digest, _content, signal) =>
      new Promise((_resolve, reject) => {
        signal?.addEventListener('abort', () => {
          aborted.push(signal.reason);
          reject(StatusError.from(signal.reason));
        });
      });
    const large = sourceOf(Buffer.alloc(200_000));
    const many = Array.from({ length: 84 }, (_, index) => sourceOf(Buffer.alloc(100_000, index + 1)));
    const failing = async function* (): AsyncGenerator<BlobSource> {
      yield large;
      yield* many;
      throw new StatusError(Code.NotFound, 'No such source');
    };

    await assert.rejects(uploadMissing(store, failing()), /No such source/);
    store.writeBatch = async () => [new StatusError(Code.ResourceExhausted, 'Full')];
    await assert.rejects(uploadMissing(store, [large, small(7)]), /Full/);

    assert.equal(aborted.length, 2);
  });

  it('sends blobs that are known to be missing without asking (CL-4)', async () => {
    const source = small(1);
    await uploadMissing(store, [source]);
    store.calls.length = 0;

    await uploadMissing(store, [source], { isMissingKnown: true });

    assert.deepEqual(store.calls, ['writeBatch 1']);
  });

  it('tells how far it has come', async () => {
    const seen: UploadProgress[] = [];

    await uploadMissing(store, [small(1), small(2)], { onProgress: (progress) => void seen.push(progress) });

    assert.deepEqual(
      seen.map(({ totalBlobs, uploadedBlobs }) => [totalBlobs, uploadedBlobs]),
      [
        [2, 0],
        [2, 2],
      ],
    );
  });

  it('names the file that is gone, has changed its size, or is refused', async () => {
    await using folder = await temporaryDirectory();
    const path = join(folder.path, 'file');
    const digest = Digest.of(Buffer.from('before'));

    await assert.rejects(uploadMissing(store, [{ digest, path }]), /file does not exist/);
    await writeFile(path, 'before and after');
    await assert.rejects(uploadMissing(store, [{ digest, path }]), (reason) => {
      assert.ok(hasCode(Code.InvalidArgument)(reason));
      assert.ok(String(reason).includes(path));
      return true;
    });
    store.writeBatch = async () => [new StatusError(Code.ResourceExhausted, 'Full')];
    await writeFile(path, 'before');
    await assert.rejects(uploadMissing(store, [{ digest, path }]), (reason) => {
      assert.ok(hasCode(Code.ResourceExhausted)(reason));
      assert.ok(String(reason).includes(path));
      return true;
    });
  });

  it('stops when the signal aborts', async () => {
    const controller = new AbortController();
    const sources = async function* (): AsyncGenerator<BlobSource> {
      for (let index = 0; ; index += 1) {
        yield small(index);
        if (index === 5_000) controller.abort();
      }
    };

    await assert.rejects(uploadMissing(store, sources(), {}, controller.signal), { name: /Abort|StatusError/ });
  });
});
