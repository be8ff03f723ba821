import { type Clock, systemClock } from '../../common/clock.js';
import type { RedisConnection } from '../../redis/redis-connection.js';
import { checkKey } from '../check-key.js';
import type { KeyedStore, PutOptions } from '../keyed-store.js';

/** What {@link RedisKeyedStore} is told. */
export interface RedisKeyedStoreOptions {
  readonly connection: RedisConnection;
  /** A value that nobody asks for goes after so many seconds. @defaultValue values stay */
  readonly ttlSeconds?: number | undefined;
  readonly clock?: Clock;
}

/** Keeps our keys apart from BuildGrid's blobs in the same database. */
const prefix = 'keyed:';

/** A value begins with the moment of its expiry, a double. */
const headerBytes = 8;

/** Keeps each value in Redis or Valkey, as a string below `keyed:`. Durable as far as the server is. */
export class RedisKeyedStore implements KeyedStore {
  readonly #redis: RedisConnection;
  readonly #ttlMs: number;
  readonly #clock: Clock;

  constructor({ connection, ttlSeconds = Infinity, clock = systemClock }: RedisKeyedStoreOptions) {
    this.#redis = connection;
    this.#ttlMs = ttlSeconds * 1_000;
    this.#clock = clock;
  }

  async get(key: string, signal?: AbortSignal): Promise<Buffer | undefined> {
    signal?.throwIfAborted();
    checkKey(key);
    const name = prefix + key;
    const stored = await this.#redis.run('Reading a value', (redis) => redis.getBuffer(name), signal);
    if (!stored || stored.length < headerBytes) return undefined;
    const remainingMs = stored.readDoubleBE() - this.#clock.now();
    if (remainingMs <= 0) return undefined;
    if (Number.isFinite(this.#ttlMs)) {
      const lifeMs = Math.ceil(Math.min(remainingMs, this.#ttlMs));
      await this.#redis.run('Reading a value', (redis) => redis.pexpire(name, lifeMs), signal);
    }
    return stored.subarray(headerBytes);
  }

  async put(key: string, value: Uint8Array, options: PutOptions = {}, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    checkKey(key);
    const { expiresAtMs = Infinity } = options;
    const lifeMs = Math.ceil(Math.min(expiresAtMs - this.#clock.now(), this.#ttlMs));
    if (lifeMs <= 0) return this.delete(key, signal);
    const stored = Buffer.allocUnsafe(headerBytes + value.length);
    stored.writeDoubleBE(expiresAtMs);
    stored.set(value, headerBytes);
    await this.#redis.run(
      'Storing a value',
      (redis) =>
        Number.isFinite(lifeMs) ? redis.set(prefix + key, stored, 'PX', lifeMs) : redis.set(prefix + key, stored),
      signal,
    );
  }

  async delete(key: string, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    checkKey(key);
    await this.#redis.run('Removing a value', (redis) => redis.unlink(prefix + key), signal);
  }
}
