import type { KeyedStore } from './keyed-store.js';

/** A value as it was found. */
export interface ListedValue {
  /** What {@link ListableKeyedStore.discard} takes. */
  readonly name: string;
  /** `undefined` if it is damaged. */
  readonly kept: { readonly key: string; readonly value: Buffer } | undefined;
}

/** A store whose values can be gone through one by one, to look after them while it serves nobody else. */
export interface ListableKeyedStore extends KeyedStore {
  /** Delivers every value that has not expired, damaged ones too, in any order. Changes nothing. */
  list(signal?: AbortSignal): AsyncIterable<ListedValue>;

  /** Removes what {@link list} has delivered under `name`. */
  discard(name: string): Promise<void>;
}
