import { once } from 'node:events';
import { type IncomingMessage, type Server, type ServerResponse, createServer, request } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What goes wrong with one request: the service is busy, the line breaks half-way, or the answer lies about its length. */
export type S3Fault = 'slow-down' | 'cut' | 'wrong-length';

/** Stands in front of an S3 service and spoils what {@link fail} names. Keeps the head of each request. */
export class FaultyS3 implements AsyncDisposable {
  readonly requests: IncomingMessage[] = [];
  readonly #service: string;
  readonly #server: Server;
  #faults: { readonly method: string; readonly fault: S3Fault }[] = [];

  private constructor(service: string) {
    this.#service = service;
    this.#server = createServer((incoming, outgoing) => this.#answer(incoming, outgoing));
  }

  static async listen(service: string): Promise<FaultyS3> {
    const faulty = new FaultyS3(service);
    faulty.#server.listen(0, '127.0.0.1');
    await once(faulty.#server, 'listening');
    return faulty;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The next `times` requests of `method` go wrong. */
  fail(method: string, fault: S3Fault, times: number): void {
    this.#faults.push(...Array.from({ length: times }, () => ({ method, fault })));
  }

  /** How many requests of `method` have come. */
  count(method: string): number {
    return this.requests.filter((each) => each.method === method).length;
  }

  /** Forgets the faults that have not happened and the requests that have come. */
  reset(): void {
    this.#faults = [];
    this.requests.length = 0;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, 'close');
  }

  #answer(incoming: IncomingMessage, outgoing: ServerResponse): void {
    this.requests.push(incoming);
    const index = this.#faults.findIndex(({ method }) => method === incoming.method);
    const fault = index < 0 ? undefined : this.#faults.splice(index, 1)[0]?.fault;
    if (fault === 'slow-down') {
      incoming.resume();
      outgoing.writeHead(503, { 'content-type': 'application/xml' });
      outgoing.end('<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>');
      return;
    }
    const { method, headers, url = '/' } = incoming;
    const upstream = request(new URL(url, this.#service), { method, headers }, (response) => {
      void forward(response, outgoing, fault);
    });
    upstream.on('error', () => outgoing.destroy());
    incoming.pipe(upstream);
  }
}

async function forward(response: IncomingMessage, outgoing: ServerResponse, fault?: S3Fault): Promise<void> {
  const body = Buffer.concat((await response.toArray()) as Buffer[]);
  const half = body.subarray(0, body.length / 2);
  const headers = fault === 'wrong-length' ? { ...response.headers, 'content-length': half.length } : response.headers;
  if (fault === 'wrong-length') delete (headers as Record<string, unknown>)['content-range'];
  outgoing.writeHead(response.statusCode ?? 500, headers);
  if (fault === undefined) outgoing.end(body);
  else if (fault === 'wrong-length') outgoing.end(half);
  else outgoing.write(half, () => outgoing.destroy());
}
