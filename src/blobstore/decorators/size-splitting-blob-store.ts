import type { Digest } from '../../digest/digest.js';
import type { BlobPresence } from '../blob-presence.js';
import type { BlobStore } from '../blob-store.js';
import { type Route, RoutingBlobStore } from './routing-blob-store.js';

/** What {@link SizeSplittingBlobStore} is told. */
export interface SizeSplit {
  /** Takes blobs of up to `thresholdBytes`. */
  readonly small: BlobStore;
  /** Takes the others. */
  readonly large: BlobStore;
  readonly thresholdBytes: number;
}

/** Keeps small blobs in one store and large ones in another. With another threshold, blobs in between are not found again. */
export class SizeSplittingBlobStore extends RoutingBlobStore {
  readonly #small: Route;
  readonly #large: Route;
  readonly #thresholdBytes: number;

  constructor({ small, large, thresholdBytes }: SizeSplit) {
    super();
    this.#small = { name: 'the storage of small blobs', store: small };
    this.#large = { name: 'the storage of large blobs', store: large };
    this.#thresholdBytes = thresholdBytes;
  }

  /** Offered where both stores offer it. */
  get presence(): BlobPresence | undefined {
    const [small, large] = [this.#small.store.presence, this.#large.store.presence];
    return small && large && bySize(small, large, this.#thresholdBytes);
  }

  protected override routeOf({ sizeBytes }: Digest): Route {
    return sizeBytes <= this.#thresholdBytes ? this.#small : this.#large;
  }
}

function bySize(small: BlobPresence, large: BlobPresence, thresholdBytes: number): BlobPresence {
  return {
    touch: (fn, text, start, sizeBytes) =>
      (sizeBytes <= thresholdBytes ? small : large).touch(fn, text, start, sizeBytes),
  };
}
