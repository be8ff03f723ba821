import { Client } from '../../src/client/client.js';
import { Digest } from '../../src/digest/digest.js';
import { reapi, rwapi } from '../../src/proto/index.js';
import { ConfigServer } from './config-server.js';

const { OK } = rwapi.BotStatus;

/** A server whose instance `main` takes admin calls, and `closed`, over the same jobs, does not. */
export class LookedAfterServer implements AsyncDisposable {
  readonly client: Client;
  readonly #server: ConfigServer;

  private constructor(server: ConfigServer, client: Client) {
    this.#server = server;
    this.client = client;
  }

  static async start(dataStore = '!memory-data-store &jobs {}'): Promise<LookedAfterServer> {
    const server = await ConfigServer.start(`
instances:
  - name: main
    admin: true
    storages: [!lru-storage &cas {size: 10M}]
    data-stores: [${dataStore}]
    services:
      - !cas {storage: *cas}
      - &execution !execution {storage: *cas, data-store: *jobs, property-keys: [pool]}
  - name: closed
    services: [!cas {storage: *cas}, *execution]
`);
    return new LookedAfterServer(server, await Client.connect({ url: server.url, instanceName: 'main' }));
  }

  get url(): string {
    return this.#server.url;
  }

  /** Has an action queued that asks for a pool. Returns the name of its operation. */
  async execute(argument: string, pool: string, client = this.client): Promise<string> {
    const store = async (data: Uint8Array): Promise<Digest> => {
      const digest = Digest.of(data);
      await client.blobs.writeBatch([{ digest, data }]);
      return digest;
    };
    const root = await store(reapi.Directory.encode({}).finish());
    const command = await store(reapi.Command.encode({ arguments: [argument] }).finish());
    const platform = { properties: [{ name: 'pool', value: pool }] };
    const action = { commandDigest: command.toProto(), inputRootDigest: root.toProto(), platform };
    const actionDigest = await store(reapi.Action.encode(action).finish());
    for await (const { name } of client.execution.execute({ actionDigest, skipCacheLookup: true })) return name;
    throw new Error('Execute told nothing');
  }

  /** Connects a bot of a pool, which has what it is given at once. */
  connect(botId: string, pool: string, status = OK): Promise<rwapi.BotSession> {
    const worker = { properties: [{ key: 'pool', value: pool }] };
    const request = { parent: 'main', botSession: { botId, status, worker } };
    return this.client.bots.createBotSession(request, { deadlineMs: 10_000 });
  }

  /** Has a bot report a state of all its leases. It is held for a moment if it has none. */
  report(session: rwapi.BotSession, state: rwapi.LeaseState): Promise<rwapi.BotSession> {
    const { name, botId, worker = null } = session;
    const leases = session.leases.map(({ id = '' }) => ({ id, state }));
    return this.client.bots.updateBotSession(
      { name, botSession: { name, botId, worker, leases, status: OK } },
      { deadlineMs: 1_500 },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.client[Symbol.asyncDispose]();
    await this.#server[Symbol.asyncDispose]();
  }
}
