import type { StoreStats } from './store-stats.js';

/** A store, what it tells of itself, and the stores that it is made of. */
export interface StoreReport {
  /** What the store is, as configurations call it, such as `disk-storage`. */
  readonly type: string;
  /** Its place in the store that it is a part of, such as `fallback`; empty for the whole. */
  readonly role: string;
  /** Where it keeps its blobs, such as a folder; empty where that would say nothing. */
  readonly place: string;
  readonly stats: StoreStats;
  /** Why {@link stats} says nothing, where it should. */
  readonly trouble?: string;
  readonly parts: readonly StoreReport[];
}

/** Asks a store and all its parts. A part that cannot be reached is reported with its trouble, and fails no others. */
export type StoreReporter = (signal?: AbortSignal) => Promise<StoreReport>;
