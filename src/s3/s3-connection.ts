import { setMaxListeners } from 'node:events';
import type { S3, S3ClientConfig } from '@aws-sdk/client-s3';
import { type Clock, systemClock } from '../common/clock.js';
import { type Logger, silentLogger } from '../common/logger.js';
import { OutageLog } from '../common/outage-log.js';
import { BackOff, type RetryPolicy, retry } from '../common/retry.js';
import { StatusError } from '../common/status-error.js';
import { WeightedSemaphore } from '../common/weighted-semaphore.js';
import { addContentMd5 } from './content-md5.js';
import { isMissing, isTransientS3, s3Error } from './s3-errors.js';
import { type S3Options, s3ServiceName } from './s3-options.js';

/** What {@link S3Connection.open} is told. */
export interface S3ConnectionOptions extends S3Options {
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** @defaultValue 5 attempts, 100 ms doubling to 5 s, with full jitter */
  readonly policy?: RetryPolicy;
}

/** One request of the SDK. */
export type S3Task<Result> = (s3: S3, options: { readonly abortSignal?: AbortSignal }) => Promise<Result>;

const defaultPolicy: RetryPolicy = { maxAttempts: 5, initialDelayMs: 100, maxDelayMs: 5_000 };

/** How many requests are under way at once. Bodies that stream to a reader do not count: a slow one stops nobody. */
const maxRequests = 128;

const maxSockets = 1_024;
const connectTimeoutMs = 5_000;
const answerTimeoutMs = 30_000;
const idleTimeoutMs = 60_000;

/** What the SDK would print goes nowhere: what matters of it is in our errors. */
const silent = { trace: ignore, debug: ignore, info: ignore, warn: ignore, error: ignore };

/** An S3 service: requests to it are bounded, repeated while that may help, and fail with a StatusError. */
export class S3Connection implements Disposable {
  /** Names the service in errors. */
  readonly service: string;
  readonly #s3: S3;
  readonly #outages: OutageLog;
  readonly #clock: Clock;
  readonly #policy: RetryPolicy;
  readonly #slots = new WeightedSemaphore(maxRequests);

  private constructor(s3: S3, options: S3ConnectionOptions) {
    this.service = s3ServiceName(options);
    this.#s3 = s3;
    this.#outages = new OutageLog(this.service, options.logger ?? silentLogger);
    this.#clock = options.clock ?? systemClock;
    this.#policy = options.policy ?? defaultPolicy;
  }

  /** Loads the SDK, which takes its time. Connects with the first request. */
  static async open(options: S3ConnectionOptions): Promise<S3Connection> {
    // Our engines are what package.json says; the SDK would print a warning about them on stderr.
    process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true';
    const sdk = await import('@aws-sdk/client-s3');
    const s3 = new sdk.S3(configOf(options));
    addContentMd5(s3);
    return new S3Connection(s3, options);
  }

  /** Makes a request until it succeeds or cannot. An absent object is `undefined`. `doing` begins the error's text. */
  async request<Result>(doing: string, task: S3Task<Result>, signal?: AbortSignal): Promise<Result | undefined> {
    signal?.throwIfAborted();
    if (signal) setMaxListeners(0, signal); // A listener a request is no leak.
    const options = signal ? { abortSignal: signal } : {};
    const release = await this.#slots.acquire(1, signal);
    try {
      const result = await retry(() => task(this.#s3, options), this.#retryOptions, signal);
      this.#outages.answered();
      return result;
    } catch (reason) {
      if (isMissing(reason)) return undefined;
      throw this.failure(reason, doing, signal);
    } finally {
      release();
    }
  }

  /** What {@link request} does to one attempt, for who repeats by himself. */
  get client(): S3 {
    return this.#s3;
  }

  /** Counts the failures of somebody who repeats by himself. */
  backOff(): BackOff {
    return new BackOff(this.#retryOptions);
  }

  /** The error that a client sees instead of the SDK's; the log hears of it once. */
  failure(reason: unknown, doing: string, signal?: AbortSignal): StatusError {
    if (signal?.aborted) return StatusError.from(signal.reason);
    const error = s3Error(reason, doing, this.service);
    if (error !== reason) this.#outages.failed(error.message);
    return error;
  }

  [Symbol.dispose](): void {
    this.#s3.destroy();
  }

  get #retryOptions(): ConstructorParameters<typeof BackOff>[0] {
    return { policy: this.#policy, clock: this.#clock, shouldRetry: isTransientS3 };
  }
}

function configOf({ endpoint, region, accessKey, secretKey, usesPathStyle }: S3Options): S3ClientConfig {
  const agent = { keepAlive: true, maxSockets };
  return {
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined ? { region } : endpoint !== undefined && { region: 'us-east-1' }),
    ...(accessKey !== undefined &&
      secretKey !== undefined && { credentials: { accessKeyId: accessKey, secretAccessKey: secretKey } }),
    forcePathStyle: usesPathStyle ?? endpoint !== undefined,
    maxAttempts: 1, // We repeat ourselves, on our clock.
    // Uploads are signed with their SHA-256 and blobs are verified by their own; other services stumble over more.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    logger: silent,
    requestHandler: {
      httpAgent: agent,
      httpsAgent: agent,
      connectionTimeout: connectTimeoutMs,
      requestTimeout: answerTimeoutMs,
      throwOnRequestTimeout: true,
      socketTimeout: idleTimeoutMs,
      logger: silent,
    },
  };
}

function ignore(): void {
  // Nothing is printed.
}
