import { type BlobStore } from '../blobstore/blob-store.js';
import { bytesOnce } from '../common/async-iteration.js';
import { Digest } from '../digest/digest.js';
import type { KeyedStore } from '../keyedstore/keyed-store.js';

/**
 * Values of tools that choose their own keys. The bytes are blobs, so that they share the budget and the life of others; the
 * key leads to their digest. A value whose blob is gone is absent.
 */
export class CacheValues {
  readonly #keys: KeyedStore;
  readonly #blobs: BlobStore;

  constructor(keys: KeyedStore, blobs: BlobStore) {
    this.#keys = keys;
    this.#blobs = blobs;
  }

  /** The digest of the value's bytes, or `undefined` if it is absent. Keeps the bytes from being evicted soon. */
  async find(key: string, signal?: AbortSignal): Promise<Digest | undefined> {
    const text = await this.#keys.get(keyOf(key), signal);
    if (!text) return undefined;
    const digest = Digest.parse(String(text));
    const [missing] = await this.#blobs.findMissing([digest], signal);
    return missing ? undefined : digest;
  }

  async put(key: string, value: Uint8Array, signal?: AbortSignal): Promise<void> {
    const digest = Digest.of(value);
    await this.#blobs.write(digest, bytesOnce(value), signal);
    await this.#keys.put(keyOf(key), Buffer.from(String(digest)), {}, signal);
  }

  async delete(key: string, signal?: AbortSignal): Promise<void> {
    await this.#keys.delete(keyOf(key), signal);
  }
}

function keyOf(key: string): string {
  return `http/value/${key}`;
}
