import { systemClock, type Clock } from '../common/clock.js';
import { defaultRetryPolicy, retry, type RetryOptions, type RetryPolicy } from '../common/retry.js';
import type { Digest } from '../digest/digest.js';
import { reapi } from '../proto/index.js';
import type { Channel } from './channel.js';
import { retryDelayMsOf } from './error-details.js';
import type { Method } from './method.js';

/** An instance of a server, and how patiently calls to it are repeated. */
export interface RemoteInstance {
  readonly channel: Channel;
  /** May be empty. */
  readonly instanceName: string;
  /** @defaultValue `defaultRetryPolicy` */
  readonly retryPolicy?: RetryPolicy;
  /** @defaultValue `systemClock` */
  readonly clock?: Clock;
  /**
   * Whether large blobs may travel compressed, where the server announces it.
   * @defaultValue `zstd`, or `none` to a server on this machine, where it gains nothing
   */
  readonly compression?: 'zstd' | 'none';
  /** A source of jitter in [0, 1). @defaultValue Math.random */
  readonly random?: () => number;
}

/** Which failures of `remote` are waited out, and how. */
export function retryOptionsOf(remote: RemoteInstance): Required<RetryOptions> {
  const { channel, retryPolicy: policy = defaultRetryPolicy, clock = systemClock, random = Math.random } = remote;
  return { policy, clock, random, shouldRetry: channel.shouldRetry, delayWantedMs: retryDelayMsOf };
}

/** Calls a unary method that may be repeated, and repeats it while that may help. */
export function callUnary<Request extends object, Response extends object>(
  remote: RemoteInstance,
  method: Method<Request, Response>,
  request: Request,
  signal?: AbortSignal,
): Promise<Response> {
  return retry(() => remote.channel.unary(method, request, {}, signal), retryOptionsOf(remote), signal);
}

/** The digest function of a request about `digest`; stated always, for some cannot be told by their hashes (DIG-5). */
export function functionValueOf(digest: Digest | undefined): reapi.DigestFunction.Value {
  return digest?.function.value ?? reapi.DigestFunction.Value.UNKNOWN;
}
