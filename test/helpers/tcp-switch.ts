import { once } from 'node:events';
import { type AddressInfo, type Server, type Socket, connect, createServer } from 'node:net';

/** Stands before several servers, as a load balancer does: a connection goes to the first in turn that takes it. */
export class TcpSwitch implements AsyncDisposable {
  readonly url: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #ports: readonly number[];
  #turn = 0;

  private constructor(server: Server, ports: readonly number[]) {
    this.#server = server;
    this.#ports = ports;
    this.url = `grpc://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('connection', (client) => void this.#join(client));
  }

  /** Opens a line to the servers at `upstreams`, which are `grpc://` URLs. */
  static async open(upstreams: readonly string[]): Promise<TcpSwitch> {
    const server = createServer({ pauseOnConnect: true }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new TcpSwitch(server, upstreams.map(portOf));
  }

  /** New connections go there from now on; those that are there stay. */
  turnTo(...upstreams: readonly string[]): void {
    this.#ports = upstreams.map(portOf);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #join(client: Socket): Promise<void> {
    this.#sockets.add(client);
    client.on('error', () => undefined).on('close', () => this.#sockets.delete(client));
    const target = await this.#reach();
    if (!target) {
      client.destroy();
      return;
    }
    this.#sockets.add(target);
    target.on('error', () => undefined).on('close', () => this.#sockets.delete(target));
    target.on('close', () => client.destroy());
    client.on('close', () => target.destroy());
    client.pipe(target);
    target.pipe(client);
    client.resume();
  }

  async #reach(): Promise<Socket | undefined> {
    this.#turn += 1;
    for (let step = 0; step < this.#ports.length; step += 1) {
      const target = connect(this.#ports[(this.#turn + step) % this.#ports.length] ?? 0, '127.0.0.1');
      try {
        await once(target, 'connect');
        return target;
      } catch {
        target.destroy();
      }
    }
    return undefined;
  }
}

function portOf(url: string): number {
  return Number(new URL(url).port);
}
