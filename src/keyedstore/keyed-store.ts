/** What {@link KeyedStore.put} may be told. */
export interface PutOptions {
  /** After this moment, in milliseconds since the epoch, the value is absent. @defaultValue never */
  readonly expiresAtMs?: number;
}

/** Small values under foreign keys; the last write wins. Keys are opaque, any string of up to 1,024 bytes of UTF-8. */
export interface KeyedStore {
  /** Returns the value, or `undefined` if there is none or it has expired. */
  get(key: string, signal?: AbortSignal): Promise<Buffer | undefined>;

  /**
   * Offered by a store that has its values in memory: the value itself, which nobody may change, or `undefined` if there is
   * none. It counts as a use, as {@link get} does.
   */
  peek?(key: string): Buffer | undefined;

  /** Stores a value in place of any other. Durable, where the store is, when it resolves. */
  put(key: string, value: Uint8Array, options?: PutOptions, signal?: AbortSignal): Promise<void>;

  /** Forgets a value; an absent one is ignored. */
  delete(key: string, signal?: AbortSignal): Promise<void>;
}
