import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { once } from 'node:events';

const windowBytes = 8 * 1024 * 1024;

/** What a call says besides its request. */
export type CallHeaders = Readonly<Record<string, string>>;

/** A client that costs as little as possible, so that what is measured is the server. */
export class Http2Load implements AsyncDisposable {
  readonly #sessions: readonly ClientHttp2Session[];

  private constructor(sessions: readonly ClientHttp2Session[]) {
    this.#sessions = sessions;
  }

  /** With `isNarrow` windows are as wide as HTTP/2 has them by itself. */
  static async connect(
    port: number,
    { connections = 1, isNarrow = false }: { readonly connections?: number; readonly isNarrow?: boolean } = {},
  ): Promise<Http2Load> {
    const settings = isNarrow ? {} : { initialWindowSize: windowBytes };
    const sessions = Array.from({ length: connections }, () => connect(`http://127.0.0.1:${port}`, { settings }));
    await Promise.all(
      sessions.map(async (session) => {
        await once(session, 'connect');
        if (!isNarrow) session.setLocalWindowSize(windowBytes);
      }),
    );
    return new Http2Load(sessions);
  }

  /** Sends `body` and resolves with what came back; rejects if the call failed. */
  async call(path: string, body: Uint8Array, connection = 0, headers: CallHeaders = {}): Promise<Buffer> {
    const stream = this.open(path, connection, headers);
    const chunks: Buffer[] = [];
    stream.on('data', (data: Buffer) => void chunks.push(data));
    stream.end(body);
    await ended(stream, path);
    return Buffer.concat(chunks);
  }

  /** Keeps `concurrency` calls under way until `count` have been answered, or `ms` have passed. Resolves with how many were. */
  async hammer(
    path: string,
    next: (index: number) => Uint8Array,
    { concurrency = 32, count = Infinity, ms = Infinity }: { concurrency?: number; count?: number; ms?: number },
  ): Promise<number> {
    const stopAt = performance.now() + ms;
    let begun = 0;
    let done = 0;
    const work = async (lane: number): Promise<void> => {
      while (begun < count && performance.now() < stopAt) {
        const stream = this.open(path, lane % this.#sessions.length);
        stream.resume();
        stream.end(next(begun++));
        await ended(stream, path);
        done += 1;
      }
    };
    await Promise.all(Array.from({ length: concurrency }, (_, lane) => work(lane)));
    return done;
  }

  /** Counts the bytes that come back. */
  async download(path: string, body: Uint8Array): Promise<number> {
    const stream = this.open(path, 0);
    let bytes = 0;
    stream.on('data', (data: Buffer) => (bytes += data.length));
    stream.end(body);
    await ended(stream, path);
    return bytes;
  }

  /** Sends `parts` as fast as they are taken. */
  async upload(path: string, parts: Iterable<Uint8Array>): Promise<Buffer> {
    const stream = this.open(path, 0);
    const chunks: Buffer[] = [];
    stream.on('data', (data: Buffer) => void chunks.push(data));
    const end = ended(stream, path);
    for (const part of parts) if (!stream.write(part)) await Promise.race([once(stream, 'drain'), end]);
    stream.end();
    await end;
    return Buffer.concat(chunks);
  }

  open(path: string, connection: number, headers: CallHeaders = {}): ClientHttp2Stream {
    return this.#sessions[connection]!.request({
      ...headers,
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const session of this.#sessions) session.destroy();
  }
}

function ended(stream: ClientHttp2Stream, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let status = '0';
    const look = (headers: object): void => {
      if ('grpc-status' in headers) status = String(headers['grpc-status']);
      if (status !== '0') reject(new Error(`${path} failed: ${JSON.stringify(headers)}`));
    };
    stream.on('response', look);
    stream.on('trailers', look);
    stream.on('error', reject);
    stream.on('end', resolve);
  });
}
