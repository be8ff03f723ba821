import { LRUCache } from 'lru-cache';
import { type Clock, systemClock } from '../../common/clock.js';
import { Code } from '../../common/code.js';
import { StatusError } from '../../common/status-error.js';
import { checkKey } from '../check-key.js';
import type { KeyedStore, PutOptions } from '../keyed-store.js';

/** What {@link MemoryKeyedStore} is told. */
export interface MemoryKeyedStoreOptions {
  /** @defaultValue 100,000 */
  readonly maxEntries?: number;
  /** How many bytes the keys and values may have together. @defaultValue 256 MiB */
  readonly maxBytes?: number;
  readonly clock?: Clock;
}

interface Entry {
  readonly value: Buffer;
  readonly expiresAtMs: number;
}

/** Keeps values in memory, and the most recently used ones when they outgrow its bounds. */
export class MemoryKeyedStore implements KeyedStore {
  readonly #entries: LRUCache<string, Entry>;
  readonly #maxBytes: number;
  readonly #clock: Clock;

  constructor({ maxEntries = 100_000, maxBytes = 256 * 1024 ** 2, clock = systemClock }: MemoryKeyedStoreOptions = {}) {
    this.#maxBytes = maxBytes;
    this.#clock = clock;
    this.#entries = new LRUCache({
      max: maxEntries,
      maxSize: maxBytes,
      sizeCalculation: ({ value }, key) => sizeOf(key, value),
    });
  }

  async get(key: string, signal?: AbortSignal): Promise<Buffer | undefined> {
    signal?.throwIfAborted();
    const value = this.peek(key);
    return value && Buffer.from(value);
  }

  peek(key: string): Buffer | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    if (entry.expiresAtMs > this.#clock.now()) return entry.value;
    this.#entries.delete(key);
    return undefined;
  }

  async put(key: string, value: Uint8Array, options: PutOptions = {}, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    checkKey(key);
    if (sizeOf(key, value) > this.#maxBytes) {
      throw new StatusError(
        Code.ResourceExhausted,
        `A value of ${value.length} bytes is larger than the whole store, which keeps ${this.#maxBytes} bytes`,
      );
    }
    this.#entries.set(key, { value: Buffer.from(value), expiresAtMs: options.expiresAtMs ?? Infinity });
  }

  async delete(key: string, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    this.#entries.delete(key);
  }
}

/** Never 0, which the cache would refuse. */
function sizeOf(key: string, value: Uint8Array): number {
  return 1 + Buffer.byteLength(key) + value.length;
}
