import { KeyedMutex } from '../common/keyed-mutex.js';
import { type Logger, silentLogger } from '../common/logger.js';
import type { KeyedStore, PutOptions } from '../keyedstore/keyed-store.js';

/** A value that was found, and the very bytes that it was read from. */
export interface FoundValue<Value> {
  readonly value: Value;
  readonly bytes: Buffer;
}

/**
 * Values of a KeyedStore that somebody may replace while somebody else finds fault with them. A value is dropped only as
 * long as it is the one that was looked at; changes by other servers are not guarded against.
 */
export class NamedValues {
  readonly #store: KeyedStore;
  readonly #logger: Logger;
  readonly #changes = new KeyedMutex();

  constructor(store: KeyedStore, logger: Logger = silentLogger) {
    this.#store = store;
    this.#logger = logger;
  }

  /** A value that does not decode is dropped, and counts as absent. */
  async get<Value>(
    key: string,
    decode: (bytes: Buffer) => Value,
    signal?: AbortSignal,
  ): Promise<FoundValue<Value> | undefined> {
    const bytes = await this.#store.get(key, signal);
    if (!bytes) return undefined;
    try {
      return { value: decode(bytes), bytes };
    } catch (err) {
      this.#logger.error({ err, key }, 'A stored name does not decode and is dropped');
      await this.drop(key, bytes, signal);
      return undefined;
    }
  }

  /** Stores a value in place of any other. */
  async put(key: string, value: Uint8Array, options: PutOptions, signal?: AbortSignal): Promise<void> {
    await this.#changes.exclusive(key, () => this.#store.put(key, value, options, signal), signal);
  }

  /** Replaces a value by what `change` makes of it; concurrent calls follow each other. */
  async update(
    key: string,
    change: (bytes: Buffer | undefined) => Uint8Array | undefined,
    signal?: AbortSignal,
  ): Promise<void> {
    const replace = async (): Promise<void> => {
      const value = change(await this.#store.get(key, signal));
      if (value) await this.#store.put(key, value, {}, signal);
    };
    await this.#changes.exclusive(key, replace, signal);
  }

  /** Forgets a value, whatever it is. */
  async delete(key: string, signal?: AbortSignal): Promise<void> {
    await this.#changes.exclusive(key, () => this.#store.delete(key, signal), signal);
  }

  /** Forgets a value unless it has been replaced since `bytes` were read. */
  async drop(key: string, bytes: Buffer, signal?: AbortSignal): Promise<void> {
    const removeSame = async (): Promise<void> => {
      const now = await this.#store.get(key, signal);
      if (now?.equals(bytes)) await this.#store.delete(key, signal);
    };
    await this.#changes.exclusive(key, removeSame, signal);
  }
}
