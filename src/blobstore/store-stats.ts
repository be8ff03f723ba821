/** What a store can tell of itself at once, without going through what it holds. What it does not know is left out. */
export interface StoreStats {
  /** How many blobs it holds. */
  readonly blobs?: number;
  /** How many bytes of content they have together. */
  readonly sizeBytes?: number;
  /** How many bytes of content it keeps at the most. */
  readonly maxBytes?: number;
  /** What only this kind of store has, under names with their units, such as `freeBytes` or `evictedBlobs`. */
  readonly figures?: Readonly<Record<string, number>>;
}

/**
 * A store that keeps account of what it holds. Each tells only of itself: who composes stores knows their parts, and asks
 * them one by one.
 */
export interface MeasurableStore {
  /** Returns quickly and changes nothing. Rejects if the store cannot be reached. */
  stats(signal?: AbortSignal): Promise<StoreStats>;
}

/** Whether a store keeps account of what it holds. */
export function isMeasurable(store: object): store is MeasurableStore {
  return 'stats' in store && typeof store.stats === 'function';
}
