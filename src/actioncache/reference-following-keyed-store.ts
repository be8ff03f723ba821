import { BlobNotFoundError, type BlobStore } from '../blobstore/blob-store.js';
import { readBlob } from '../blobstore/read-blob.js';
import { Digest } from '../digest/digest.js';
import { SHA256 } from '../digest/digest-function.js';
import type { KeyedStore, PutOptions } from '../keyedstore/keyed-store.js';
import { decodeMessage } from '../proto/any.js';
import { reapi } from '../proto/index.js';

/** How a serialised Digest begins: with its hash. An ActionResult never does, for its field 1 is reserved. */
const hashTag = 0x0a;

/**
 * Reads what BuildGrid left in an S3 bucket: not a result, but the Digest of one that is a blob. Follows it into `blobs`;
 * a blob that is gone makes the value absent. What is put is kept as it is, which is one request less and cannot lose its other half.
 */
export class ReferenceFollowingKeyedStore implements KeyedStore {
  readonly #values: KeyedStore;
  readonly #blobs: BlobStore;

  constructor(values: KeyedStore, blobs: BlobStore) {
    this.#values = values;
    this.#blobs = blobs;
  }

  async get(key: string, signal?: AbortSignal): Promise<Buffer | undefined> {
    const value = await this.#values.get(key, signal);
    const digest = value?.[0] === hashTag ? digestIn(value) : undefined;
    if (!digest) return value;
    try {
      return await readBlob(this.#blobs, digest, signal);
    } catch (reason) {
      if (reason instanceof BlobNotFoundError) return undefined;
      throw reason;
    }
  }

  put(key: string, value: Uint8Array, options?: PutOptions, signal?: AbortSignal): Promise<void> {
    return this.#values.put(key, value, options, signal);
  }

  delete(key: string, signal?: AbortSignal): Promise<void> {
    return this.#values.delete(key, signal);
  }
}

function digestIn(value: Buffer): Digest | undefined {
  try {
    return Digest.fromProto(decodeMessage('a Digest', reapi.Digest, value), SHA256);
  } catch {
    return undefined; // Neither: whoever asked for the value will say so.
  }
}
