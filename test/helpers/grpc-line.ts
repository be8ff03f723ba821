import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';

/** A gRPC client with nothing between it and its one connection: for what a library would hide. Disposal cuts the line. */
export class GrpcLine implements Disposable {
  readonly #session: ClientHttp2Session;

  private constructor(session: ClientHttp2Session) {
    this.#session = session;
  }

  static async connect(url: string): Promise<GrpcLine> {
    const session = connect(url.replace('grpc:', 'http:'));
    session.on('error', () => undefined);
    await once(session, 'remoteSettings');
    return new GrpcLine(session);
  }

  /** Begins a call by its full path. */
  open(path: string): ClientHttp2Stream {
    const stream = this.#session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.on('error', () => undefined);
    return stream;
  }

  /** Sends one message and resolves with those that come back. */
  async call(path: string, request: Uint8Array): Promise<Buffer[]> {
    const stream = this.open(path);
    stream.end(framed(request));
    return messagesOf(stream);
  }

  [Symbol.dispose](): void {
    this.#session.destroy();
  }
}

/** A message as gRPC sends it. */
export function framed(message: Uint8Array): Buffer {
  const header = Buffer.alloc(5);
  header.writeUInt32BE(message.length, 1);
  return Buffer.concat([header, message]);
}

/** All messages of a call, once it has ended well. */
export async function messagesOf(stream: ClientHttp2Stream): Promise<Buffer[]> {
  const ended = new Promise<Record<string, unknown>>((resolve) => {
    stream.once('trailers', resolve);
    stream.once('response', (headers) => 'grpc-status' in headers && resolve(headers));
  });
  const parts: Buffer[] = [];
  for await (const part of stream as AsyncIterable<Buffer>) parts.push(part);
  const { 'grpc-status': status, 'grpc-message': message } = await ended;
  assert.equal(status, '0', decodeURIComponent(String(message)));
  const bytes = Buffer.concat(parts);
  const messages: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += 5 + bytes.readUInt32BE(at + 1)) {
    messages.push(bytes.subarray(at + 5, at + 5 + bytes.readUInt32BE(at + 1)));
  }
  return messages;
}
