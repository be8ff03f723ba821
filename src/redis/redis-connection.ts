import type { ChainableCommander, Redis } from 'ioredis';
import { type Logger, silentLogger } from '../common/logger.js';
import { OutageLog } from '../common/outage-log.js';
import { StatusError } from '../common/status-error.js';
import { redisError } from './redis-errors.js';
import type { RedisOptions } from './redis-options.js';

/** What {@link RedisConnection.open} is told. */
export interface RedisConnectionOptions extends RedisOptions {
  readonly logger?: Logger;
  /** How long a reply may take before the connection counts as broken. @defaultValue 10,000 */
  readonly answerTimeoutMs?: number;
}

/** What a command of a pipeline answered, or why it failed. */
export type RedisReply = number | string | Buffer | null | StatusError;

const connectTimeoutMs = 5_000;
const keepAliveMs = 30_000;
const maxReconnectDelayMs = 1_000;

/** Commands wait for so many attempts to reconnect before they fail: a short break is not seen by anybody. */
const attemptsPutUpWith = 1;

/**
 * A connection to a Redis server. It connects with the first command and comes back by itself after a break; commands
 * fail with UNAVAILABLE meanwhile, within about two seconds.
 */
export class RedisConnection implements Disposable {
  readonly #redis: Redis;
  readonly #service: string;
  readonly #outages: OutageLog;
  #trouble: string | undefined;

  private constructor(redis: Redis, { host, port, logger = silentLogger }: RedisConnectionOptions) {
    this.#redis = redis;
    this.#service = `Redis at ${host}:${port}`;
    this.#outages = new OutageLog(this.#service, logger);
    redis.on('error', (reason: Error) => {
      this.#trouble = reason.message;
      this.#outages.failed(redisError(reason, 'Connecting', this.#service).message);
    });
    redis.on('ready', () => {
      this.#trouble = undefined;
      this.#outages.answered();
    });
  }

  /** Loads the client library. */
  static async open(options: RedisConnectionOptions): Promise<RedisConnection> {
    const { Redis } = await import('ioredis');
    const { host, port, password, db, answerTimeoutMs = 10_000 } = options;
    const redis = new Redis({
      host,
      port,
      ...(password !== undefined && { password }),
      ...(db !== undefined && { db }),
      lazyConnect: true,
      connectTimeout: connectTimeoutMs,
      commandTimeout: answerTimeoutMs,
      socketTimeout: answerTimeoutMs,
      keepAlive: keepAliveMs,
      maxRetriesPerRequest: attemptsPutUpWith,
      // Jitter, so that many servers do not come back at once (U2).
      retryStrategy: (attempt) => Math.ceil(Math.random() * Math.min(maxReconnectDelayMs, 50 * 2 ** attempt)),
      disableClientInfo: true,
    });
    return new RedisConnection(redis, options);
  }

  /** Runs one command. `doing` begins the error's text. */
  async run<Result>(doing: string, command: (redis: Redis) => Promise<Result>, signal?: AbortSignal): Promise<Result> {
    signal?.throwIfAborted();
    try {
      return await command(this.#redis);
    } catch (reason) {
      throw this.#failure(reason, doing);
    } finally {
      signal?.throwIfAborted();
    }
  }

  /** Sends many commands at once; one reply each, in order, that of a failed one being why it failed. */
  async pipeline(
    doing: string,
    fill: (pipeline: ChainableCommander) => unknown,
    signal?: AbortSignal,
  ): Promise<readonly RedisReply[]> {
    return this.run(
      doing,
      async (redis) => {
        const pipeline = redis.pipeline();
        fill(pipeline);
        const replies = (await pipeline.exec()) ?? [];
        return replies.map(([reason, reply]) => (reason ? this.#failure(reason, doing) : (reply as RedisReply)));
      },
      signal,
    );
  }

  [Symbol.dispose](): void {
    this.#redis.disconnect();
  }

  #failure(reason: unknown, doing: string): StatusError {
    // What the library says of commands that it gave up does not tell why.
    const gaveUp =
      reason instanceof Error && reason.name === 'MaxRetriesPerRequestError' && this.#trouble !== undefined;
    return redisError(gaveUp ? new Error(this.#trouble) : reason, doing, this.#service);
  }
}

/** Throws the first failure among `replies`, or returns them. */
export function allGood(replies: readonly RedisReply[]): readonly Exclude<RedisReply, StatusError>[] {
  return replies.map((reply) => {
    if (reply instanceof StatusError) throw reply;
    return reply;
  });
}
