import {
  Metadata,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type UntypedServiceImplementation,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { Code } from '../common/code.js';
import type { Logger } from '../common/logger.js';
import { StatusError } from '../common/status-error.js';
import { rpc } from '../proto/index.js';
import { statusMessageOf } from '../proto/status.js';
import type { CallContext } from './call-context.js';
import type { OpenCalls, ServerCall } from './open-calls.js';

type UnaryMethod = (request: object, context: CallContext) => Promise<object>;
type ServerStreamMethod = (request: object, context: CallContext) => AsyncIterable<object>;
type ClientStreamMethod = (requests: AsyncIterable<object>, context: CallContext) => Promise<object>;

/** What {@link adaptService} depends on. */
export interface AdapterDependencies {
  readonly calls: OpenCalls;
  readonly logger: Logger;
}

/**
 * Makes grpc-js handlers of a service: a plain object with a method for each of `definition`, named alike in
 * lowerCamelCase, that takes messages and a {@link CallContext} and returns or throws. Here errors become statuses, and
 * nowhere else; those without a code of their own are logged with their stack.
 */
export function adaptService(
  definition: ServiceDefinition,
  service: object,
  dependencies: AdapterDependencies,
): UntypedServiceImplementation {
  const handlers: UntypedServiceImplementation = {};
  for (const [name, { requestStream, responseStream }] of Object.entries(definition)) {
    const method = (service as Record<string, unknown>)[name];
    if (typeof method !== 'function') throw new TypeError(`${service.constructor.name} has no method ${name}`);
    const bound: unknown = method.bind(service);
    if (requestStream) handlers[name] = clientStreamHandler(bound as ClientStreamMethod, dependencies);
    else if (responseStream) handlers[name] = serverStreamHandler(bound as ServerStreamMethod, dependencies);
    else handlers[name] = unaryHandler(bound as UnaryMethod, dependencies);
  }
  return handlers;
}

function unaryHandler(method: UnaryMethod, dependencies: AdapterDependencies) {
  return (call: ServerUnaryCall<object, object>, callback: sendUnaryData<object>): void => {
    answer(call, callback, dependencies, (context) => method(call.request, context));
  };
}

function clientStreamHandler(method: ClientStreamMethod, dependencies: AdapterDependencies) {
  return (call: ServerReadableStream<object, object>, callback: sendUnaryData<object>): void => {
    answer(call, callback, dependencies, (context) => method(requestsOf(call), context));
  };
}

function answer(
  call: ServerCall,
  callback: sendUnaryData<object>,
  { calls, logger }: AdapterDependencies,
  respond: (context: CallContext) => Promise<object>,
): void {
  const open = calls.begin(call);
  Promise.resolve(open.context)
    .then(respond)
    .then(
      (response) => callback(null, response),
      (reason: unknown) => callback(statusOf(reason, open.context, logger)),
    )
    .finally(() => open.settle());
}

/**
 * The requests of a stream. A method that returns early leaves the rest unread. grpc-js reports the end of the stream
 * before it tells that the client has aborted the call: an end alone never means that the client had said everything.
 */
function requestsOf(call: ServerReadableStream<object, object>): AsyncIterable<object> {
  // Not destroyed on return: the answer still has to go out on this stream.
  return call.iterator({ destroyOnReturn: false }) as AsyncIterable<object>;
}

function serverStreamHandler(method: ServerStreamMethod, { calls, logger }: AdapterDependencies) {
  return (call: ServerWritableStream<object, object>): void => {
    const open = calls.begin(call);
    sendAll(call, (context) => method(call.request, context), open.context)
      .then(
        () => call.end(),
        (reason: unknown) => call.emit('error', statusOf(reason, open.context, logger)),
      )
      .finally(() => open.settle());
  };
}

/** Sends each response, and holds the producer back while the client does not read (U4). */
async function sendAll(
  call: ServerWritableStream<object, object>,
  respond: (context: CallContext) => AsyncIterable<object>,
  context: CallContext,
): Promise<void> {
  const { signal } = context;
  for await (const response of respond(context)) {
    signal.throwIfAborted();
    if (!call.write(response)) await drained(call, signal);
  }
}

function drained(call: ServerWritableStream<object, object>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      call.off('drain', settle);
      signal.removeEventListener('abort', settle);
      if (signal.aborted) reject(StatusError.from(signal.reason));
      else resolve();
    };
    call.once('drain', settle);
    signal.addEventListener('abort', settle);
    if (signal.aborted) settle();
  });
}

/** Longer texts, which quote what the client sent, do not fit in the trailers: the client would wait for an answer for ever. */
const maxMessageLength = 1_024;

function statusOf(reason: unknown, context: CallContext, logger: Logger): Error & { code: Code; metadata: Metadata } {
  const error = StatusError.from(reason);
  const { code, message, details } = error;
  const isUnknown = code === Code.Internal && !(reason instanceof StatusError);
  if (isUnknown) logger.error({ err: reason, path: context.path, peer: context.peer }, 'Call failed');
  const metadata = new Metadata();
  if (details.length > 0) {
    const status = rpc.Status.encode(statusMessageOf(error)).finish();
    metadata.set('grpc-status-details-bin', Buffer.from(status));
  }
  // A cut may leave half of a character, which has no encoding.
  const text = Buffer.from(message.slice(0, maxMessageLength)).toString();
  return Object.assign(new Error(text), { code, details: text, metadata });
}
