import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import { uploadMissing } from '../../src/client/upload-missing.js';
import { Digest } from '../../src/digest/digest.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

/** What a command has left running may put something else where an output was, after it was digested (S2). */
describe('An output that is replaced before it is uploaded', () => {
  for (const size of [5, 5 * 1024 * 1024]) {
    const digest = Digest.of(Buffer.alloc(size, 'x'));

    it(`does not keep the upload waiting for ever as a fifo, instead of ${size} bytes`, async () => {
      await using folder = await temporaryDirectory();
      const path = join(folder.path, 'output');
      execFileSync('mkfifo', [path]);

      await assert.rejects(uploadMissing(new MemoryBlobStore(), [{ digest, path }]), /output/);
    });

    it(`is not followed as a link, instead of ${size} bytes`, async () => {
      await using folder = await temporaryDirectory();
      const path = join(folder.path, 'output');
      await symlink('/dev/zero', path);

      await assert.rejects(uploadMissing(new MemoryBlobStore(), [{ digest, path }]), /symbolic link/);
    });
  }
});
