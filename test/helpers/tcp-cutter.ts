import { once } from 'node:events';
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net';

/** Stands between clients and a server on the loopback, and resets what goes through it from time to time. */
export class TcpCutter implements AsyncDisposable {
  readonly url: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #timer: NodeJS.Timeout | undefined;
  #cuts = 0;

  private constructor(server: Server, upstream: URL, intervalMs: number | undefined) {
    this.#server = server;
    this.url = `grpc://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('connection', (client) => {
      const target = connect(Number(upstream.port), upstream.hostname);
      this.#join(client, target);
      this.#join(target, client);
    });
    if (intervalMs !== undefined) this.#timer = setInterval(() => this.cut(), intervalMs);
  }

  /** Opens a line to the server at `upstream`, a `grpc://` URL, that is cut every `intervalMs`, or only by {@link cut}. */
  static async open(upstream: string, intervalMs?: number): Promise<TcpCutter> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TcpCutter(server, new URL(upstream), intervalMs);
  }

  /** How many connections it has reset. */
  get cuts(): number {
    return this.#cuts;
  }

  /** Resets what goes through it now: both ends read ECONNRESET. */
  cut(): void {
    this.#cuts += this.#sockets.size / 2;
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  #join(from: Socket, to: Socket): void {
    this.#sockets.add(from);
    from.on('error', () => to.destroy());
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
    from.pipe(to);
  }
}
