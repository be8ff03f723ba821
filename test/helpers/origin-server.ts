import { once } from 'node:events';
import { type IncomingMessage, type RequestListener, type ServerResponse, createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

/** Answers one path. */
export type Route = (response: ServerResponse, request: IncomingMessage) => void;

/** A certificate of a server, with its key. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

/** A web server on a free port of the loopback, which notes what it is asked for. */
export class OriginServer implements AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Paths with their queries, in the order of the requests. */
  readonly requests: string[] = [];
  readonly routes = new Map<string, Route>();
  readonly #close: () => Promise<void>;

  private constructor(scheme: string, port: number, close: () => Promise<void>) {
    this.port = port;
    this.url = `${scheme}://127.0.0.1:${port}`;
    this.#close = close;
  }

  /** With `tls` it speaks HTTPS. */
  static async listen(tls?: Certificate): Promise<OriginServer> {
    const listener: RequestListener = (request, response) => origin.#answer(request, response);
    const server = tls ? createTlsServer(tls, listener) : createServer(listener);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const close = async (): Promise<void> => {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    };
    const origin = new OriginServer(tls ? 'https' : 'http', (server.address() as AddressInfo).port, close);
    return origin;
  }

  /** Serves `content` at `path` and returns the URL. */
  serve(path: string, content: string | Uint8Array): string {
    return this.on(path, (response) => response.end(content));
  }

  /** Answers `path` with `status`, and sends on to `location` if there is one. */
  answer(path: string, status: number, location?: string): string {
    return this.on(path, (response) => response.writeHead(status, location ? { location } : {}).end('no content'));
  }

  on(path: string, route: Route): string {
    this.routes.set(path, route);
    return `${this.url}${path}`;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const target = request.url ?? '';
    this.requests.push(target);
    const route = this.routes.get(target.split('?')[0] ?? '');
    if (route) route(response, request);
    else response.writeHead(404).end();
  }
}
