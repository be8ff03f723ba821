import type { BlobStore } from '../blobstore/blob-store.js';
import { Digest } from '../digest/digest.js';
import type { DigestFunction } from '../digest/digest-function.js';
import type { KeyedStore } from '../keyedstore/keyed-store.js';

/** Remembers how large blobs are, for HTTP names a blob by its hash alone. */
export class BlobSizes {
  readonly #keys: KeyedStore;
  readonly #blobs: BlobStore;

  constructor(keys: KeyedStore, blobs: BlobStore) {
    this.#keys = keys;
    this.#blobs = blobs;
  }

  /** The digest of a blob that is there, or `undefined`. */
  async find(hash: string, fn: DigestFunction, signal?: AbortSignal): Promise<Digest | undefined> {
    if (hash === fn.emptyHash) return Digest.empty(fn);
    const size = await this.#keys.get(keyOf(hash, fn), signal);
    if (!size) return undefined;
    const digest = Digest.from(hash, Number(String(size)), fn);
    const [missing] = await this.#blobs.findMissing([digest], signal);
    return missing ? undefined : digest;
  }

  async note({ hash, sizeBytes, function: fn }: Digest, signal?: AbortSignal): Promise<void> {
    await this.#keys.put(keyOf(hash, fn), Buffer.from(String(sizeBytes)), {}, signal);
  }
}

function keyOf(hash: string, fn: DigestFunction): string {
  return `http/size/${fn.segment}/${hash}`;
}
