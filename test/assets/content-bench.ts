import assert from 'node:assert/strict';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import { VerifyingBlobStore } from '../../src/blobstore/decorators/verifying-blob-store.js';
import { Digest } from '../../src/digest/digest.js';
import { SHA256, type DigestFunction } from '../../src/digest/digest-function.js';
import { reapi } from '../../src/proto/index.js';
import { FailingBlobStore } from '../helpers/failing-blob-store.js';

/** A sample tree, and each of its parts. */
export interface SampleTree {
  readonly root: Digest;
  readonly child: Digest;
  readonly rootFile: Digest;
  readonly deepFile: Digest;
}

/** A CAS in memory, which a test can fill, take from and bring down. */
export class ContentBench {
  readonly blobs = new FailingBlobStore(new VerifyingBlobStore(new MemoryBlobStore()));

  async put(content: string | Uint8Array, fn: DigestFunction = SHA256): Promise<Digest> {
    const data = Buffer.from(content);
    const digest = Digest.of(data, fn);
    const [failure] = await this.blobs.writeBatch([{ digest, data }]);
    assert.equal(failure, undefined);
    return digest;
  }

  /** A root with a file, and a folder with another. `name` makes it differ from others. */
  async putTree(name: string): Promise<SampleTree> {
    const rootFile = await this.put(`at the root of ${name}`);
    const deepFile = await this.put(`deep down in ${name}`);
    const fileIn = (digest: Digest): reapi.FileNode.$Properties => ({ name: 'file', digest: digest.toProto() });
    const child = await this.put(reapi.Directory.encode({ files: [fileIn(deepFile)] }).finish());
    const root = await this.put(
      reapi.Directory.encode({
        files: [fileIn(rootFile)],
        directories: [{ name: 'folder', digest: child.toProto() }],
      }).finish(),
    );
    return { root, child, rootFile, deepFile };
  }
}
