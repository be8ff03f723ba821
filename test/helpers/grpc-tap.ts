import { once } from 'node:events';
import type {
  ClientHttp2Session,
  Http2Server,
  Http2Session,
  IncomingHttpHeaders,
  ServerHttp2Session,
  ServerHttp2Stream,
} from 'node:http2';
import { connect, constants, createServer } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { Code } from '../../src/common/code.js';

/** What went through a {@link GrpcTap} in a while. */
export interface TappedCalls {
  /** How many calls of `method` there were, as `Service/Method` with or without the package, ended by `code` if it is given. */
  count(method: string, code?: Code): number;
  /** What was called, and how often, the most frequent first: for a message to people. */
  readonly summary: string;
  /** Bytes of messages to the server, as they were on the wire. */
  readonly bytesUp: number;
  /** And from it. */
  readonly bytesDown: number;
}

interface Tapped {
  readonly method: string;
  code?: number;
  bytesUp: number;
  bytesDown: number;
}

/**
 * Stands between gRPC clients and a server, and counts the calls that the server sees, whatever the clients say. Each
 * connection of a client is one to the server; where one ends, so does the other.
 */
export class GrpcTap implements AsyncDisposable {
  readonly url: string;
  readonly #server: Http2Server;
  readonly #sessions = new Map<Http2Session, ClientHttp2Session>();
  #calls: Tapped[] = [];

  private constructor(server: Http2Server, upstream: string) {
    this.#server = server;
    this.url = `grpc://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('session', (session) => this.#opened(session, upstream));
    server.on('stream', (stream, headers) => this.#call(stream, headers));
  }

  /** Opens a tap in front of the server at `upstream`, a `grpc://` URL. */
  static async open(upstream: string): Promise<GrpcTap> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new GrpcTap(server, upstream.replace(/^grpc:/, 'http:'));
  }

  /** What was called since the last time that this was asked, calls that still go on as well. */
  take(): TappedCalls {
    const calls = this.#calls;
    this.#calls = [];
    return new CountedCalls(calls);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const [downstream, upstream] of this.#sessions) {
      downstream.destroy();
      upstream.destroy();
    }
    await closed;
  }

  #opened(downstream: ServerHttp2Session, url: string): void {
    const upstream = connect(url);
    this.#sessions.set(downstream, upstream);
    for (const session of [upstream, downstream]) session.on('error', () => undefined);
    upstream.on('close', () => downstream.destroy());
    downstream.on('close', () => {
      this.#sessions.delete(downstream);
      upstream.destroy();
    });
  }

  #call(client: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const call: Tapped = { method: headers[':path']?.slice(1) ?? '', bytesUp: 0, bytesDown: 0 };
    this.#calls.push(call);
    const upstream = client.session && this.#sessions.get(client.session);
    if (!upstream || upstream.destroyed) {
      client.close(constants.NGHTTP2_REFUSED_STREAM);
      return;
    }
    const server = upstream.request(headers);
    for (const stream of [client, server]) stream.on('error', () => undefined);
    let trailers: IncomingHttpHeaders = {};
    server.on('trailers', (received: IncomingHttpHeaders) => {
      trailers = received;
      noteCode(call, received);
    });
    client.on('wantTrailers', () => client.sendTrailers(trailers));
    server.on('response', (response, flags) => {
      noteCode(call, response);
      if (client.destroyed || client.closed) return;
      const isLast = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
      client.respond(response, isLast ? { endStream: true } : { waitForTrailers: true });
    });
    server.on('data', (chunk: Buffer) => (call.bytesDown += chunk.length)).pipe(client);
    client.on('data', (chunk: Buffer) => (call.bytesUp += chunk.length)).pipe(server);
    client.on('close', () => server.close(client.rstCode));
    // One that ended well ends by itself, after its trailers.
    server.on('close', () => void (server.rstCode !== 0 && client.close(server.rstCode)));
  }
}

function noteCode(call: Tapped, headers: IncomingHttpHeaders): void {
  const status = headers['grpc-status'];
  if (status !== undefined) call.code = Number(status);
}

class CountedCalls implements TappedCalls {
  readonly #calls: readonly Tapped[];

  constructor(calls: readonly Tapped[]) {
    this.#calls = calls;
  }

  get bytesUp(): number {
    return this.#calls.reduce((sum, { bytesUp }) => sum + bytesUp, 0);
  }

  get bytesDown(): number {
    return this.#calls.reduce((sum, { bytesDown }) => sum + bytesDown, 0);
  }

  get summary(): string {
    const counts = new Map<string, number>();
    for (const { method } of this.#calls) {
      const name = method.split('/')[1] ?? method;
      counts.set(name, (counts.get(name) ?? 0) + 1);
    }
    const sorted = [...counts].sort(([, a], [, b]) => b - a);
    return sorted.map(([name, count]) => `${count} ${name}`).join(', ');
  }

  count(method: string, code?: Code): number {
    return this.#calls.filter((call) => isMethod(call, method) && (code === undefined || call.code === code)).length;
  }
}

function isMethod({ method }: Tapped, wanted: string): boolean {
  return method === wanted || method.endsWith(`.${wanted}`);
}
