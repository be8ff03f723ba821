import type { Blob, BlobStore, ByteRange, WriteOutcome } from '../../src/blobstore/blob-store.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import type { Digest } from '../../src/digest/digest.js';

/** Passes everything on, until {@link FailingBlobStore.isDown}: then every call is UNAVAILABLE. Counts its reads. */
export class FailingBlobStore implements BlobStore {
  isDown = false;
  reads = 0;
  readonly #inner: BlobStore;

  constructor(inner: BlobStore) {
    this.#inner = inner;
  }

  async findMissing(digests: readonly Digest[], signal?: AbortSignal): Promise<Digest[]> {
    this.#check();
    return this.#inner.findMissing(digests, signal);
  }

  async *read(digest: Digest, range?: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    this.reads += 1;
    this.#check();
    yield* this.#inner.read(digest, range, signal);
  }

  async write(digest: Digest, content: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
    this.#check();
    await this.#inner.write(digest, content, signal);
    this.#check();
  }

  async writeBatch(blobs: readonly Blob[], signal?: AbortSignal): Promise<readonly WriteOutcome[]> {
    this.#check();
    return this.#inner.writeBatch(blobs, signal);
  }

  async delete(digests: readonly Digest[], signal?: AbortSignal): Promise<void> {
    this.#check();
    await this.#inner.delete(digests, signal);
  }

  #check(): void {
    if (this.isDown) throw new StatusError(Code.Unavailable, 'the store is down');
  }
}
