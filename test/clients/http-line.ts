import { once } from 'node:events';
import { Agent, type IncomingMessage, type OutgoingHttpHeaders, request } from 'node:http';

/** An answer that was read to its end. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: Buffer;
  /** Whether the server let the body come by `100 Continue`, where that was asked for. */
  readonly isContinued: boolean;
}

/** One kept connection of a client, with exactly the headers that it is given besides `host` and `connection`. */
export class HttpLine implements Disposable {
  readonly #url: string;
  readonly #headers: OutgoingHttpHeaders;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  readonly #ports = new Set<number | undefined>();

  /** The headers come with each request. */
  constructor(url: string, headers: OutgoingHttpHeaders) {
    this.#url = url;
    this.#headers = headers;
  }

  /** How many connections it has taken: the server has closed all but the last one. */
  get connections(): number {
    return this.#ports.size;
  }

  async send(
    method: string,
    path: string,
    headers: OutgoingHttpHeaders = {},
    body?: Buffer | string,
  ): Promise<HttpAnswer> {
    const sized = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) };
    const asked = request(this.#url + path, {
      method,
      agent: this.#agent,
      headers: { ...this.#headers, ...sized, ...headers },
    });
    let isContinued = false;
    asked.once('continue', () => {
      isContinued = true;
      asked.end(body);
    });
    if ('expect' in headers) asked.flushHeaders();
    else asked.end(body);
    const [response] = (await once(asked, 'response')) as [IncomingMessage];
    this.#ports.add(asked.socket?.localPort);
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk as Buffer);
    return { status: response.statusCode ?? 0, body: Buffer.concat(chunks), isContinued };
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}
