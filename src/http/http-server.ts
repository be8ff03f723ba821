import { once } from 'node:events';
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http';
import { type AddressInfo, isIPv6 } from 'node:net';
import { begin } from '../common/begin.js';
import { type Clock, systemClock } from '../common/clock.js';
import { Code } from '../common/code.js';
import type { Logger } from '../common/logger.js';
import { onAbort } from '../common/on-abort.js';
import { StatusError, errnoOf } from '../common/status-error.js';
import type { HttpHandler, HttpReply, HttpRequest } from './http-exchange.js';
import { httpStatusOf } from './http-status.js';

/** What {@link HttpServer.listen} is told. */
export interface HttpServerOptions {
  /** Addresses of this machine; all of them must be free. */
  readonly hosts: readonly [string, ...string[]];
  /** 0 is a free one, the same for all hosts. */
  readonly port: number;
  readonly handler: HttpHandler;
  readonly logger: Logger;
  /** How long requests may go on after a stop was asked for. @defaultValue 10 s */
  readonly stopGraceMs?: number;
  readonly clock?: Clock;
}

/** A connection on which nothing moves for so long is cut off: whoever stalls holds memory (U4). */
const idleMs = 60_000;

/** So many connections at a time; more are refused. */
const maxConnections = 4_096;

/** What is still read of a request that has failed, so that its client gets to read why. */
const maxDrainedBytes = 16 * 1024 * 1024;

/** Hosts a handler on one port. Disposal stops it gracefully. */
export class HttpServer implements AsyncDisposable {
  /** The first address, as `http://ADDRESS:PORT`. */
  readonly url: string;
  readonly #servers: readonly Server[];
  readonly #stopping: AbortController;
  readonly #options: HttpServerOptions;

  private constructor(servers: readonly Server[], stopping: AbortController, options: HttpServerOptions) {
    const [host] = options.hosts;
    this.url = `http://${isIPv6(host) ? `[${host}]` : host}:${portOf(servers[0])}`;
    this.#servers = servers;
    this.#stopping = stopping;
    this.#options = options;
  }

  /** Serves when it resolves. Throws UNAVAILABLE if an address cannot be bound. */
  static async listen(options: HttpServerOptions): Promise<HttpServer> {
    const { hosts, port } = options;
    const stopping = new AbortController();
    const servers: Server[] = [];
    for (const host of hosts) {
      const server = createServer((request, response) => void exchange(request, response, options, stopping.signal));
      server.maxConnections = maxConnections;
      server.requestTimeout = 0; // An upload may take its time, as long as it moves.
      server.timeout = idleMs;
      servers.push(server);
      try {
        server.listen({ host, port: port === 0 && servers.length > 1 ? portOf(servers[0]) : port });
        await once(server, 'listening');
      } catch (reason) {
        for (const each of servers) each.close();
        const fault = errnoOf(reason) ?? String(reason);
        throw new StatusError(Code.Unavailable, `Cannot listen on ${host} port ${port}: ${fault}`, { cause: reason });
      }
    }
    return new HttpServer(servers, stopping, options);
  }

  /** Accepts no more, lets requests finish within the grace time, then cuts off what is left. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { clock = systemClock, stopGraceMs = 10_000 } = this.#options;
    const closed = Promise.all(this.#servers.map((server) => new Promise((resolve) => server.close(resolve))));
    for (const server of this.#servers) server.closeIdleConnections();
    const graceOver = new AbortController();
    await Promise.race([closed, clock.sleep(stopGraceMs, graceOver.signal)]);
    graceOver.abort();
    this.#stopping.abort(new StatusError(Code.Unavailable, 'The server is stopping; try again'));
    for (const server of this.#servers) server.closeAllConnections();
    await closed;
  }
}

function portOf(server: Server | undefined): number {
  return (server?.address() as AddressInfo).port;
}

async function exchange(
  request: IncomingMessage,
  response: ServerResponse,
  { handler, logger }: HttpServerOptions,
  stopping: AbortSignal,
): Promise<void> {
  const over = new AbortController();
  response.once('close', () => over.abort(new StatusError(Code.Cancelled, 'The client has gone')));
  const onStop = onAbort(stopping, () => over.abort(stopping.reason));
  const asked = requestOf(request, over.signal);
  try {
    await send(await begun(await handler(asked)), asked, response);
  } catch (reason) {
    const error = StatusError.from(reason);
    if (error.code === Code.Internal) logger.error({ err: reason, path: asked.path }, 'A request failed');
    if (response.headersSent || over.signal.aborted) response.destroy();
    else await refuse(error, asked, response);
  } finally {
    onStop[Symbol.dispose]();
  }
}

function requestOf(request: IncomingMessage, signal: AbortSignal): HttpRequest {
  const announced = request.headers['content-length'];
  const isSilent = announced === undefined && request.headers['transfer-encoding'] === undefined;
  const [path = '/'] = (request.url ?? '/').split('?');
  return {
    method: request.method ?? 'GET',
    path,
    sizeBytes: isSilent ? 0 : announced === undefined ? undefined : Number(announced),
    body: bodyOf(request),
    signal,
  };
}

/** Leaves the connection open when its consumer stops early. */
async function* bodyOf(request: IncomingMessage): AsyncIterable<Uint8Array> {
  try {
    yield* request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
  } catch (reason) {
    throw new StatusError(Code.Cancelled, 'The client has gone before it sent all', { cause: reason });
  }
}

/** Pulls the first chunk of a reply before its status goes out: what cannot even start is a failure like any other. */
async function begun(reply: HttpReply): Promise<HttpReply> {
  return reply.body === undefined || typeof reply.body === 'string'
    ? reply
    : { ...reply, body: await begin(reply.body) };
}

async function send(reply: HttpReply, request: HttpRequest, response: ServerResponse): Promise<void> {
  const { status, headers, body } = reply;
  await drain(response, status < 400 ? Infinity : maxDrainedBytes);
  const sizeBytes = reply.sizeBytes ?? (typeof body === 'string' ? Buffer.byteLength(body) : 0);
  response.writeHead(status, { ...headers, ...(status !== 204 && { 'content-length': sizeBytes }) });
  if (typeof body === 'object' && request.method !== 'HEAD') {
    for await (const chunk of body) {
      if (!response.write(chunk)) await once(response, 'drain', { signal: request.signal });
    }
    response.end();
  } else {
    response.end(request.method === 'HEAD' ? undefined : body);
  }
}

async function refuse(error: StatusError, request: HttpRequest, response: ServerResponse): Promise<void> {
  const headers = { 'content-type': 'text/plain; charset=utf-8' };
  try {
    await send({ status: httpStatusOf(error), headers, body: `${error.message}\n` }, request, response);
  } catch {
    response.destroy(); // The client has gone meanwhile.
  }
}

/** Reads what is left of the request; of one with too much of it the connection is closed. */
async function drain(response: ServerResponse, maxBytes: number): Promise<void> {
  let drainedBytes = 0;
  for await (const chunk of bodyOf(response.req)) {
    drainedBytes += chunk.length;
    if (drainedBytes > maxBytes) {
      response.setHeader('connection', 'close');
      return;
    }
  }
}
