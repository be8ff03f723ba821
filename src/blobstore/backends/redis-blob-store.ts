import { randomUUID } from 'node:crypto';
import type { ChainableCommander } from 'ioredis';
import { bytesOnce, collectBytes, inParts } from '../../common/async-iteration.js';
import { Code } from '../../common/code.js';
import { StatusError } from '../../common/status-error.js';
import type { Digest } from '../../digest/digest.js';
import { type RedisConnection, type RedisReply, allGood } from '../../redis/redis-connection.js';
import { WrongTypeError } from '../../redis/redis-errors.js';
import { type Blob, BlobNotFoundError, type BlobStore, type ByteRange, type WriteOutcome } from '../blob-store.js';
import { checkSize, sizeMismatch } from '../check-size.js';
import { resolveRange } from '../resolve-range.js';
import { buildGridKey } from './buildgrid-key.js';

/** What {@link RedisBlobStore} is told. */
export interface RedisBlobStoreOptions {
  readonly connection: RedisConnection;
  /** A blob that nobody reads or asks for goes after so many seconds. @defaultValue blobs stay */
  readonly ttlSeconds?: number | undefined;
}

/** Blobs up to this size are one string, as BuildGrid has them; larger ones a hash of chunks of this size. */
const chunkBytes = 1024 * 1024;

/** Chunks of a write that was killed go after so many seconds; each further chunk puts it off. */
const abandonedAfterSeconds = 600;

const commandsOfOneCall = 1_000;

/**
 * Keeps blobs in Redis or Valkey, where BuildGrid's are: under `HASH_SIZE` each. A large blob is one key, too, a hash whose
 * fields are its chunks, so that the server can only evict it as a whole. Durable as far as the server is.
 */
export class RedisBlobStore implements BlobStore {
  readonly #redis: RedisConnection;
  readonly #ttlSeconds: number | undefined;

  constructor({ connection, ttlSeconds }: RedisBlobStoreOptions) {
    this.#redis = connection;
    this.#ttlSeconds = ttlSeconds;
  }

  async findMissing(digests: readonly Digest[], signal?: AbortSignal): Promise<Digest[]> {
    signal?.throwIfAborted();
    const candidates = [...new Map(digests.map((digest) => [digest.key, digest])).values()];
    const missing: Digest[] = [];
    for (let start = 0; start < candidates.length; start += commandsOfOneCall) {
      const batch = candidates.slice(start, start + commandsOfOneCall);
      const forms = await this.#formsOf(batch, signal);
      missing.push(...batch.filter((_, index) => forms[index] === 'absent'));
    }
    return missing;
  }

  async *read(digest: Digest, range?: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const { offset, length } = resolveRange(digest, range);
    const [form = 'absent'] = await this.#formsOf([digest], signal);
    if (form === 'absent') throw new BlobNotFoundError(digest);
    const end = offset + length;
    for (let position = offset - (offset % chunkBytes); position < end; position += chunkBytes) {
      const chunk = await this.#chunk(digest, form, position, signal);
      yield chunk.subarray(Math.max(0, offset - position), end - position);
    }
  }

  async write(digest: Digest, content: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const checked = checkSize(digest, content, signal);
    if (digest.sizeBytes <= chunkBytes) {
      const data = await collectBytes(checked);
      allGood(await this.#redis.pipeline('Storing a blob', (pipeline) => this.#set(pipeline, digest, data), signal));
      return;
    }
    const [form = 'absent'] = await this.#formsOf([digest], signal);
    if (form !== 'absent') return;
    const temporary = `${buildGridKey(digest)}:${randomUUID()}`;
    try {
      await this.#writeChunks(temporary, checked, signal);
      await this.#publish(temporary, digest, signal);
    } catch (reason) {
      await this.#redis.run('Removing a blob', (redis) => redis.unlink(temporary)).catch(() => undefined); // It expires.
      throw reason;
    }
  }

  async writeBatch(blobs: readonly Blob[], signal?: AbortSignal): Promise<readonly WriteOutcome[]> {
    signal?.throwIfAborted();
    const outcomes: WriteOutcome[] = blobs.map(({ digest, data }) =>
      data.length === digest.sizeBytes ? undefined : sizeMismatch(digest, data.length),
    );
    const sound = [...blobs.entries()].filter(([index]) => !outcomes[index]);
    const small = sound.filter(([, { data }]) => data.length <= chunkBytes);
    const fill = (pipeline: ChainableCommander): void => {
      for (const [, { digest, data }] of small) this.#set(pipeline, digest, data);
    };
    const replies = await this.#redis.pipeline('Storing blobs', fill, signal);
    for (const [place, [index]] of small.entries()) outcomes[index] = failureOf(replies[place]);
    for (const [index, { digest, data }] of sound) {
      if (data.length <= chunkBytes) continue;
      outcomes[index] = await this.write(digest, bytesOnce(data), signal).then(
        () => undefined,
        (reason: unknown) => StatusError.from(reason),
      );
    }
    return outcomes;
  }

  async delete(digests: readonly Digest[], signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const keys = digests.map(buildGridKey);
    for (let start = 0; start < keys.length; start += commandsOfOneCall) {
      const batch = keys.slice(start, start + commandsOfOneCall);
      await this.#redis.run('Deleting blobs', (redis) => redis.unlink(...batch), signal);
    }
  }

  /** In which form each blob is there, and puts off when it goes. A value of another length is not the blob. */
  async #formsOf(digests: readonly Digest[], signal?: AbortSignal): Promise<readonly Form[]> {
    const fill = (pipeline: ChainableCommander): void => {
      for (const digest of digests) {
        const key = buildGridKey(digest);
        if (isLarge(digest)) pipeline.hlen(key);
        else pipeline.strlen(key);
        if (this.#ttlSeconds !== undefined) pipeline.expire(key, this.#ttlSeconds);
      }
    };
    const replies = await this.#redis.pipeline('Looking for blobs', fill, signal);
    const stride = this.#ttlSeconds === undefined ? 1 : 2;
    const lengths = digests.map((_, index) => replies[index * stride]);
    const whole = digests.filter((digest, index) => isLarge(digest) && lengths[index] instanceof WrongTypeError);
    const wholeLengths = whole.length > 0 ? await this.#stringLengths(whole, signal) : [];
    return digests.map((digest, index) => {
      const asString = whole.indexOf(digest);
      if (asString >= 0) return wholeLengths[asString] === digest.sizeBytes ? 'string' : 'absent';
      return formOf(digest, lengths[index]);
    });
  }

  /** Large blobs that BuildGrid has written. */
  async #stringLengths(digests: readonly Digest[], signal?: AbortSignal): Promise<readonly unknown[]> {
    const fill = (pipeline: ChainableCommander): void => {
      for (const digest of digests) pipeline.strlen(buildGridKey(digest));
    };
    return allGood(await this.#redis.pipeline('Looking for blobs', fill, signal));
  }

  /** The bytes from `position`, up to the end of the chunk that begins there. */
  async #chunk(digest: Digest, form: Form, position: number, signal?: AbortSignal): Promise<Buffer> {
    const key = buildGridKey(digest);
    const chunk = await this.#redis.run(
      'Reading a blob',
      (redis) =>
        form === 'string'
          ? redis.getrangeBuffer(key, position, position + chunkBytes - 1)
          : redis.hgetBuffer(key, fieldOf(position)),
      signal,
    );
    if (chunk?.length === Math.min(chunkBytes, digest.sizeBytes - position)) return chunk;
    // Gone meanwhile, or damaged: then findMissing must not find it again.
    await this.delete([digest], signal);
    throw new BlobNotFoundError(digest);
  }

  #set(pipeline: ChainableCommander, digest: Digest, data: Uint8Array): void {
    const value = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    if (this.#ttlSeconds === undefined) pipeline.set(buildGridKey(digest), value);
    else pipeline.set(buildGridKey(digest), value, 'EX', this.#ttlSeconds);
  }

  async #writeChunks(key: string, content: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
    let position = 0;
    for await (const chunk of inParts(content, chunkBytes)) {
      const field = fieldOf(position);
      const fill = (pipeline: ChainableCommander): unknown =>
        pipeline.hset(key, field, chunk).expire(key, abandonedAfterSeconds);
      allGood(await this.#redis.pipeline('Storing a blob', fill, signal));
      position += chunk.length;
    }
  }

  /** Gives the chunks their name, all at once. */
  async #publish(temporary: string, digest: Digest, signal?: AbortSignal): Promise<void> {
    const key = buildGridKey(digest);
    const stored = await this.#redis.run('Storing a blob', (redis) => redis.hlen(temporary), signal);
    if (stored !== chunksOf(digest)) {
      const text = `Storing a blob failed: Redis kept ${stored} of ${chunksOf(digest)} chunks; upload it again`;
      throw new StatusError(Code.Unavailable, text);
    }
    await this.#redis.run(
      'Storing a blob',
      async (redis) => {
        const transaction = redis.multi().rename(temporary, key);
        if (this.#ttlSeconds === undefined) transaction.persist(key);
        else transaction.expire(key, this.#ttlSeconds);
        const replies = (await transaction.exec()) ?? [];
        for (const [reason] of replies) if (reason) throw reason;
      },
      signal,
    );
  }
}

type Form = 'string' | 'chunks' | 'absent';

function isLarge(digest: Digest): boolean {
  return digest.sizeBytes > chunkBytes;
}

function chunksOf(digest: Digest): number {
  return Math.ceil(digest.sizeBytes / chunkBytes);
}

/** The field of the hash that holds the chunk at `position`. */
function fieldOf(position: number): string {
  return String(position / chunkBytes);
}

function formOf(digest: Digest, length: RedisReply | undefined): Form {
  if (length instanceof WrongTypeError) return 'absent';
  if (length instanceof StatusError) throw length;
  if (isLarge(digest)) return length === chunksOf(digest) ? 'chunks' : 'absent';
  return length === digest.sizeBytes ? 'string' : 'absent';
}

function failureOf(reply: RedisReply | undefined): WriteOutcome {
  return reply instanceof StatusError ? reply : undefined;
}
