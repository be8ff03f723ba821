import type { ServerHttp2Stream } from 'node:http2';
import { Metadata, type ServerWritableStream } from '@grpc/grpc-js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { http2StreamOf } from './http2-stream.js';
import type { RawMessage } from './raw-methods.js';
import type { UnreadAnswers } from './unread-answers.js';

/** Takes messages, and says when it has room for more. */
export interface MessageSink<Message> {
  /** Resolves when the client has taken so much that the next message may come. Rejects when `signal` aborts. */
  send(message: Message, signal: AbortSignal): Promise<void> | undefined;
}

/** Sends what grpc-js serializes. */
export function serializedSink(
  call: ServerWritableStream<object, object>,
  unread?: UnreadAnswers,
): MessageSink<object> {
  return {
    send: (message, signal) => {
      if (call.write(message)) return undefined;
      void unread?.watch(call);
      return drained(call, signal);
    },
  };
}

/**
 * Sends encoded messages. grpc-js would copy each into a buffer of its own, to have five bytes before it: of large messages
 * that is half of the work, and feeds the garbage collector. So they go straight to the HTTP/2 stream, if it is found where
 * this version of grpc-js keeps it; status and trailers stay with grpc-js.
 */
export function rawSink(call: ServerWritableStream<object, object>): MessageSink<RawMessage> {
  const stream = http2StreamOf(call);
  if (!stream) return joinedSink(call);
  return {
    send: (message, signal) => {
      if (!stream.writable) throw new StatusError(Code.Cancelled, 'The call has ended');
      // Only now: a call that fails before its first message is answered with a status alone.
      if (!stream.headersSent) call.sendMetadata(new Metadata());
      return writeFrame(stream, message) ? undefined : drained(stream, signal);
    },
  };
}

/** Without the stream: a message is copied. */
function joinedSink(call: ServerWritableStream<object, object>): MessageSink<RawMessage> {
  const sink = serializedSink(call);
  return {
    send: ({ parts, onSent }, signal) => {
      const message = Buffer.concat(parts);
      onSent?.();
      return sink.send(message, signal);
    },
  };
}

/** Returns whether more may come at once. */
function writeFrame(stream: ServerHttp2Stream, { parts, onSent }: RawMessage): boolean {
  stream.cork();
  stream.write(frameHeader(parts));
  let mayGoOn = true;
  for (const [index, part] of parts.entries()) {
    const isLast = index === parts.length - 1;
    // Otherwise it may still stand in the queue of the socket. Of a stream that is destroyed Node reports no failure.
    mayGoOn = stream.write(part, (failure) => {
      if (isLast && !failure && !stream.destroyed) onSent?.();
    });
  }
  stream.uncork();
  return mayGoOn;
}

/** Not compressed, and the length. */
function frameHeader(parts: readonly Uint8Array[]): Buffer {
  const header = Buffer.allocUnsafe(5);
  header.writeUInt8(0, 0);
  header.writeUInt32BE(
    parts.reduce((sum, { length }) => sum + length, 0),
    1,
  );
  return header;
}

interface Drainable {
  once(event: 'drain', listener: () => void): unknown;
  off(event: 'drain', listener: () => void): unknown;
}

function drained(target: Drainable, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      target.off('drain', settle);
      signal.removeEventListener('abort', settle);
      if (signal.aborted) reject(StatusError.from(signal.reason));
      else resolve();
    };
    target.once('drain', settle);
    signal.addEventListener('abort', settle);
    if (signal.aborted) settle();
  });
}
