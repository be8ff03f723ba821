import type { BlobStore } from '../blobstore/blob-store.js';
import { type Logger, silentLogger } from '../common/logger.js';
import { Digest } from '../digest/digest.js';
import { digestFunctionOf } from '../digest/digest-function.js';
import type { KeyedStore } from '../keyedstore/keyed-store.js';
import { decodeMessage } from '../proto/any.js';
import { reapi } from '../proto/index.js';
import { assertWhole, faultOfContent } from './content-check.js';
import { NamedValues } from './named-values.js';

/** What a {@link ReferenceStore} depends on. */
export interface ReferenceStoreOptions {
  /** Keeps the references. */
  readonly values: KeyedStore;
  /** Holds what they refer to. */
  readonly blobs: BlobStore;
  readonly logger?: Logger;
}

/**
 * BuildStream's names of root Directories, in a {@link KeyedStore} under `reference/KEY`. The last update wins. A reference
 * below which blobs are missing counts as absent and is dropped; finding one refreshes the lifetime of the whole tree.
 */
export class ReferenceStore {
  readonly #values: NamedValues;
  readonly #blobs: BlobStore;

  constructor({ values, blobs, logger = silentLogger }: ReferenceStoreOptions) {
    this.#values = new NamedValues(values, logger);
    this.#blobs = blobs;
  }

  /** Returns the root Directory, or `undefined` if there is none or not all of the tree. */
  async get(key: string, signal?: AbortSignal): Promise<Digest | undefined> {
    const reader = {
      decode: decodeDigest,
      faultOf: (root: Digest) => faultOfContent(this.#blobs, { blobs: [], roots: [root] }, signal),
    };
    return this.#values.get(storedKey(key), reader, signal);
  }

  /**
   * Makes each key refer to `root`. Durable, where the store is, when it resolves. Throws FAILED_PRECONDITION if not all of
   * the tree is in the CAS, INVALID_ARGUMENT if it is none.
   */
  async update(keys: readonly string[], root: Digest, signal?: AbortSignal): Promise<void> {
    await assertWhole(this.#blobs, { blobs: [], roots: [root] }, signal);
    const value = reapi.Digest.encode(root.toProto()).finish();
    for (const key of keys) await this.#values.put(storedKey(key), value, {}, signal);
  }
}

function storedKey(key: string): string {
  return `reference/${key}`;
}

/** The function is not stored with it: requests cannot name one either. */
function decodeDigest(bytes: Uint8Array): Digest {
  const message = decodeMessage('a Digest', reapi.Digest, bytes);
  return Digest.fromProto(message, digestFunctionOf(0, message.hash));
}
