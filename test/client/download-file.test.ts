import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, readdir, readlink, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import { VerifyingBlobStore } from '../../src/blobstore/decorators/verifying-blob-store.js';
import { BlobNotFoundError, type BlobStore } from '../../src/blobstore/blob-store.js';
import { downloadFile } from '../../src/client/download-file.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import { hasCode } from '../helpers/has-code.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

describe('downloadFile', () => {
  let folder: Awaited<ReturnType<typeof temporaryDirectory>>;
  let blobs: BlobStore;
  let path: string;
  const data = Buffer.from('hello');
  const digest = Digest.of(data);

  beforeEach(async () => {
    folder = await temporaryDirectory();
    path = join(folder.path, 'file');
    blobs = new VerifyingBlobStore(new MemoryBlobStore());
    await blobs.writeBatch([{ digest, data }]);
  });

  afterEach(() => folder[Symbol.asyncDispose]());

  it('writes the blob, executable only if asked', async () => {
    await downloadFile(blobs, { digest, path });
    assert.equal(await readFile(path, 'utf8'), 'hello');
    assert.equal((await stat(path)).mode & 0o111, 0);

    await downloadFile(blobs, { digest, path, isExecutable: true });
    assert.ok(((await stat(path)).mode & 0o100) !== 0);

    assert.deepEqual(await readdir(folder.path), ['file']);
  });

  it('writes an empty file for the empty blob', async () => {
    await downloadFile(blobs, { digest: Digest.empty(), path });

    assert.equal((await stat(path)).size, 0);
  });

  it('replaces a file, also a read-only one, and a link but not what it leads to', async () => {
    const elsewhere = join(folder.path, 'elsewhere');
    await writeFile(elsewhere, 'precious');
    await chmod(elsewhere, 0o444);
    await symlink('elsewhere', path);

    await downloadFile(blobs, { digest, path });

    assert.equal(await readFile(path, 'utf8'), 'hello');
    assert.equal(await readFile(elsewhere, 'utf8'), 'precious');
    await assert.rejects(readlink(path));

    await downloadFile(blobs, { digest, path: elsewhere });
    assert.equal(await readFile(elsewhere, 'utf8'), 'hello');
  });

  it('never replaces a folder', async () => {
    await mkdir(path);

    await assert.rejects(downloadFile(blobs, { digest, path }), /file is a folder, where a file is to be written/);
    await assert.rejects(downloadFile(blobs, { digest, path }), hasCode(Code.FailedPrecondition));

    assert.deepEqual(await readdir(folder.path), ['file']);
  });

  it('leaves what was there, and nothing else, when the blob is absent or arrives damaged (CL-5)', async () => {
    await writeFile(path, 'before');

    await assert.rejects(downloadFile(blobs, { digest: Digest.of(Buffer.from('x')), path }), BlobNotFoundError);
    let reads = 0;
    blobs.read = async function* () {
      reads += 1;
      yield Buffer.from('hel');
      throw new StatusError(Code.DataLoss, 'damaged');
    };
    await assert.rejects(downloadFile(blobs, { digest, path }), hasCode(Code.DataLoss));

    assert.equal(reads, 2);
    assert.equal(await readFile(path, 'utf8'), 'before');
    assert.deepEqual(await readdir(folder.path), ['file']);
  });

  it('tells of a folder that does not exist, not of the file', async () => {
    const nowhere = join(folder.path, 'no', 'where');

    await assert.rejects(downloadFile(blobs, { digest, path: nowhere }), (reason) => {
      assert.ok(reason instanceof StatusError);
      assert.equal(reason.code, Code.NotFound);
      assert.equal(reason.message, `${join(folder.path, 'no')} does not exist`);
      return true;
    });
  });

  it('stops when the signal aborts, leaving nothing', async () => {
    const controller = new AbortController();
    blobs.read = async function* (_digest, _range, signal) {
      yield Buffer.from('hel');
      controller.abort();
      signal?.throwIfAborted();
    };

    await assert.rejects(downloadFile(blobs, { digest, path }, controller.signal));

    assert.deepEqual(await readdir(folder.path), []);
  });
});
