import type { Client as GrpcClient, Metadata, ServiceError } from '@grpc/grpc-js';
import { Code } from '../common/code.js';
import { isTransient } from '../common/retry.js';
import { StatusError } from '../common/status-error.js';
import type { Authorization } from './authorization.js';
import { UnreachableError, statusErrorOf } from './call-errors.js';
import { CallGuard, type CancellableCall } from './call-guard.js';
import type { Method } from './method.js';
import { sendAll } from './send-all.js';

/** What a single call may ask for beyond its request. */
export interface CallOptions {
  /** How long the whole call may take. @defaultValue the channel's for unary calls, no limit for streams */
  readonly timeoutMs?: number;
  /** How long a stream may stand still while this side waits for the other. @defaultValue no limit */
  readonly stallTimeoutMs?: number;
  /** Text headers besides the channel's own. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** What a {@link Channel} is made of. */
export interface ChannelParts {
  readonly url: string;
  readonly client: GrpcClient;
  /** Headers of every call; cloned for each. */
  readonly metadata: Metadata;
  /** Who calls, where that is said. */
  readonly authorization?: Authorization | undefined;
  readonly timeoutMs: number;
}

/**
 * A connection to a server, made at the first call and again whenever it breaks. Calls reject with a StatusError whose
 * details are decoded; nothing is repeated here. An aborted signal cancels its call.
 */
export class Channel implements Disposable {
  readonly url: string;
  /** Deadline of each unary call that sets none of its own. */
  readonly timeoutMs: number;
  readonly #client: GrpcClient;
  readonly #metadata: Metadata;
  readonly #authorization: Authorization | undefined;
  readonly #closing = new AbortController();
  #wasReached = false;

  constructor({ url, client, metadata, authorization, timeoutMs }: ChannelParts) {
    this.url = url;
    this.#client = client;
    this.#metadata = metadata;
    this.#authorization = authorization;
    this.timeoutMs = timeoutMs;
  }

  /**
   * Whether a repetition of the call may help. A server that was never there is not waited for: a wrong address must
   * show at once.
   */
  readonly shouldRetry = (reason: unknown): boolean =>
    isTransient(reason) && (this.#wasReached || !(reason instanceof UnreachableError));

  /** Calls a unary method. */
  async unary<Request extends object, Response extends object>(
    method: Method<Request, Response>,
    request: Request,
    options: CallOptions = {},
    signal?: AbortSignal,
  ): Promise<Response> {
    const metadata = await this.#metadataOf(options);
    this.#assertUsable(signal);
    const { path, requestSerialize, responseDeserialize } = method();
    const { answer, done } = pendingAnswer<Response>();
    const call = this.#client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      metadata,
      deadlineOf(options.timeoutMs ?? this.timeoutMs),
      done,
    );
    using guard = this.#guard(call, {}, signal);
    return await this.#settled(answer, guard);
  }

  /** Streams the responses of a method. Breaking off the loop cancels the call. */
  async *serverStream<Request extends object, Response extends object>(
    method: Method<Request, Response>,
    request: Request,
    options: CallOptions = {},
    signal?: AbortSignal,
  ): AsyncGenerator<Response, void, undefined> {
    const metadata = await this.#metadataOf(options);
    this.#assertUsable(signal);
    const { path, requestSerialize, responseDeserialize } = method();
    const call = this.#client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      metadata,
      deadlineOf(options.timeoutMs),
    );
    using guard = this.#guard(call, options, signal);
    let hasEnded = false;
    try {
      yield* this.#responses(call, guard);
      hasEnded = true;
    } catch (reason) {
      hasEnded = true;
      throw this.#failure(reason, guard);
    } finally {
      // A cancelled call reports that as an error, to which nobody listens any more.
      call.on('error', () => undefined);
      if (!hasEnded) call.cancel();
    }
  }

  async *#responses<Response>(
    call: AsyncIterable<Response>,
    guard: CallGuard,
  ): AsyncGenerator<Response, void, undefined> {
    guard.waiting();
    for await (const response of call) {
      this.#wasReached = true;
      guard.moved();
      yield response;
      guard.waiting();
    }
    this.#wasReached = true;
  }

  /**
   * Sends `requests` to a method and returns its one response. An answer that comes early ends the call: the remaining
   * requests are not asked for. A failure of `requests` cancels the call and is thrown as it is.
   */
  async clientStream<Request extends object, Response extends object>(
    method: Method<Request, Response>,
    requests: AsyncIterable<Request>,
    options: CallOptions = {},
    signal?: AbortSignal,
  ): Promise<Response> {
    const metadata = await this.#metadataOf(options);
    this.#assertUsable(signal);
    const { path, requestSerialize, responseDeserialize } = method();
    const { answer, done } = pendingAnswer<Response>();
    const call = this.#client.makeClientStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      metadata,
      deadlineOf(options.timeoutMs),
      done,
    );
    using guard = this.#guard(call, options, signal);
    try {
      await sendAll(call, requests, { guard, answer });
    } catch (reason) {
      call.cancel();
      throw reason;
    }
    guard.waiting();
    return await this.#settled(answer, guard);
  }

  /** Closes the connection; calls that still run end as CANCELLED. */
  [Symbol.dispose](): void {
    // grpc-js lets calls that are under way go on until their deadlines.
    this.#closing.abort(new StatusError(Code.Cancelled, `The connection to ${this.url} was closed`));
    this.#client.close();
  }

  #guard(call: CancellableCall, { stallTimeoutMs }: CallOptions, signal: AbortSignal | undefined): CallGuard {
    return new CallGuard(call, { signals: [signal, this.#closing.signal], stallTimeoutMs });
  }

  #assertUsable(signal: AbortSignal | undefined): void {
    if (signal?.aborted) throw StatusError.from(signal.reason);
    if (this.#closing.signal.aborted)
      throw new StatusError(Code.FailedPrecondition, `The connection to ${this.url} is closed`);
  }

  async #settled<Response>(answer: Promise<Response>, guard: CallGuard): Promise<Response> {
    try {
      const response = await answer;
      this.#wasReached = true;
      return response;
    } catch (reason) {
      throw this.#failure(reason, guard);
    }
  }

  #failure(reason: unknown, { verdict }: CallGuard): unknown {
    if (verdict) return verdict.code === Code.DeadlineExceeded ? verdict.wrap(this.url) : verdict;
    if (!isServiceError(reason)) return reason;
    const error = statusErrorOf(reason, this.url);
    if (!(error instanceof UnreachableError)) this.#wasReached = true;
    if (error.code === Code.Unauthenticated) this.#authorization?.distrust();
    return error;
  }

  #metadataOf(options: CallOptions): Metadata | Promise<Metadata> {
    const header = this.#authorization?.header();
    if (header === undefined || typeof header === 'string') return this.#metadataWith(header, options);
    return header.then((value) => this.#metadataWith(value, options));
  }

  #metadataWith(authorization: string | undefined, { headers }: CallOptions): Metadata {
    const metadata = this.#metadata.clone();
    if (authorization !== undefined) metadata.set('authorization', authorization);
    for (const [name, value] of Object.entries(headers ?? {})) metadata.set(name, value);
    return metadata;
  }
}

function deadlineOf(timeoutMs: number | undefined): { deadline?: number } {
  return timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs };
}

function isServiceError(reason: unknown): reason is ServiceError {
  return reason instanceof Error && 'details' in reason && 'metadata' in reason;
}

/** A promise for what grpc-js tells a callback. */
function pendingAnswer<Response>(): {
  readonly answer: Promise<Response>;
  readonly done: (error: ServiceError | null, response?: Response) => void;
} {
  let done!: (error: ServiceError | null, response?: Response) => void;
  const answer = new Promise<Response>((resolve, reject) => {
    done = (error, response) => {
      if (error) reject(error);
      else resolve(response as Response); // grpc-js gives one of the two.
    };
  });
  // It may fail while requests are still being sent; whoever awaits it later learns of it all the same.
  answer.catch(() => undefined);
  return { answer, done };
}
