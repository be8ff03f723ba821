import {
  Metadata,
  type MethodDefinition,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type UntypedHandleCall,
  type UntypedServiceImplementation,
  type sendUnaryData,
} from '@grpc/grpc-js';
import { Code } from '../common/code.js';
import type { Logger } from '../common/logger.js';
import { StatusError } from '../common/status-error.js';
import { rpc } from '../proto/index.js';
import { statusMessageOf } from '../proto/status.js';
import type { CallContext } from './call-context.js';
import { type MessageSink, rawSink, serializedSink } from './message-sink.js';
import type { OpenCall, ServerCall } from './open-call.js';
import type { OpenCalls } from './open-calls.js';
import { type RawMessage, type RawServerStreamMethod, type RawUnaryMethod, rawMethodOf } from './raw-methods.js';
import type { UnreadAnswers } from './unread-answers.js';

type UnaryMethod = (request: object, context: CallContext) => object | Promise<object>;
type ServerStreamMethod<Message = object> = (request: object, context: CallContext) => AsyncIterable<Message>;
type ClientStreamMethod = (requests: AsyncIterable<object>, context: CallContext) => Promise<object>;

/** What {@link adaptService} depends on. */
export interface AdapterDependencies {
  readonly calls: OpenCalls;
  readonly unread: UnreadAnswers;
  readonly logger: Logger;
}

/** What grpc-js is given of a service. */
export interface AdaptedService {
  readonly definition: ServiceDefinition;
  readonly handlers: UntypedServiceImplementation;
}

/**
 * Makes grpc-js handlers of a service: a plain object with a method for each of `definition`, named alike in
 * lowerCamelCase, that takes messages and a {@link CallContext} and returns or throws; where it has {@link RawMethods},
 * they are called instead. Here errors become statuses, and nowhere else; those without a code of their own are logged
 * with their stack.
 */
export function adaptService(
  definition: ServiceDefinition,
  service: object,
  dependencies: AdapterDependencies,
): AdaptedService {
  const handlers: UntypedServiceImplementation = {};
  const adapted: Record<string, MethodDefinition<object, object>> = {};
  for (const [name, method] of Object.entries<MethodDefinition<object, object>>(definition)) {
    const raw = rawMethodOf(service, name);
    adapted[name] = raw ? { ...method, ...asItIs } : method;
    handlers[name] = raw
      ? handlerOfRaw(method, raw, dependencies)
      : handlerOf(method, boundMethod(service, name), dependencies);
  }
  return { definition: adapted, handlers };
}

function boundMethod(service: object, name: string): unknown {
  const method = (service as Record<string, unknown>)[name];
  if (typeof method !== 'function') throw new TypeError(`${service.constructor.name} has no method ${name}`);
  return method.bind(service);
}

/** Of the serializers of a raw method: requests come, and responses go, as they are. */
const asItIs = {
  requestDeserialize: (bytes: Buffer) => bytes,
  responseSerialize: (bytes: object) => bytes as Buffer,
};

function handlerOf(
  { requestStream, responseStream }: MethodDefinition<object, object>,
  method: unknown,
  dependencies: AdapterDependencies,
): UntypedHandleCall {
  if (requestStream) return clientStreamHandler(method as ClientStreamMethod, dependencies);
  if (responseStream) return serverStreamHandler(method as ServerStreamMethod, serializedSink, dependencies);
  return unaryHandler(method as UnaryMethod, dependencies);
}

function handlerOfRaw(
  { responseStream }: MethodDefinition<object, object>,
  method: RawUnaryMethod | RawServerStreamMethod,
  dependencies: AdapterDependencies,
): UntypedHandleCall {
  if (responseStream) return serverStreamHandler(method as ServerStreamMethod<RawMessage>, rawSink, dependencies);
  return unaryHandler(method as UnaryMethod, dependencies);
}

function unaryHandler(method: UnaryMethod, dependencies: AdapterDependencies) {
  return (call: ServerUnaryCall<object, object>, callback: sendUnaryData<object>): void => {
    void answer(call, callback, dependencies, (context) => method(call.request, context));
  };
}

function clientStreamHandler(method: ClientStreamMethod, dependencies: AdapterDependencies) {
  return (call: ServerReadableStream<object, object>, callback: sendUnaryData<object>): void => {
    void answer(call, callback, dependencies, (context) => method(requestsOf(call), context));
  };
}

async function answer(
  call: ServerCall,
  callback: sendUnaryData<object>,
  { calls, unread, logger }: AdapterDependencies,
  respond: (context: CallContext) => object,
): Promise<void> {
  const open = calls.begin(call);
  let parameters: Parameters<sendUnaryData<object>>;
  try {
    const answered = respond(open);
    // What is there already is sent at once.
    parameters = [null, answered instanceof Promise ? ((await answered) as object) : answered];
  } catch (reason) {
    parameters = [statusOf(reason, open, logger)];
  }
  callback(...parameters);
  calls.settle(open);
  // Its memory is needed until then. What was answered must not be held meanwhile: it has been encoded.
  void endWhenTaken(open, unread.watch(call));
}

async function endWhenTaken(open: OpenCall, taken: Promise<void> | undefined): Promise<void> {
  if (taken) await taken;
  open.terminate();
}

/**
 * The requests of a stream. A method that returns early leaves the rest unread. grpc-js reports the end of the stream
 * before it tells that the client has aborted the call: an end alone never means that the client had said everything.
 */
function requestsOf(call: ServerReadableStream<object, object>): AsyncIterable<object> {
  // Not destroyed on return: the answer still has to go out on this stream.
  return call.iterator({ destroyOnReturn: false }) as AsyncIterable<object>;
}

type ServerStreamCall = ServerWritableStream<object, object>;

function serverStreamHandler<Message extends object>(
  method: ServerStreamMethod<Message>,
  sinkOf: (call: ServerStreamCall, unread: UnreadAnswers) => MessageSink<Message>,
  { calls, unread, logger }: AdapterDependencies,
) {
  return (call: ServerStreamCall): void => {
    const open = calls.begin(call);
    sendAll(() => method(call.request, open), sinkOf(call, unread), open.signal)
      .then(
        () => call.end(),
        (reason: unknown) => call.emit('error', statusOf(reason, open, logger)),
      )
      .finally(() => {
        calls.settle(open);
        open.terminate();
      });
  };
}

/** Sends each response, and holds the producer back while the client does not read (U4). */
async function sendAll<Message>(
  respond: () => AsyncIterable<Message>,
  sink: MessageSink<Message>,
  signal: AbortSignal,
): Promise<void> {
  for await (const response of respond()) {
    signal.throwIfAborted();
    await sink.send(response, signal);
  }
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
