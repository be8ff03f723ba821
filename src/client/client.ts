import type { ActionCache } from '../actioncache/action-cache.js';
import type { BlobStore } from '../blobstore/blob-store.js';
import { Lifecycle } from '../common/lifecycle.js';
import { checkInstanceName } from '../digest/instance-name.js';
import { AdminClient } from './admin-client.js';
import { BotsClient } from './bots-client.js';
import { CapabilitiesClient } from './capabilities-client.js';
import { parseEndpoint } from './endpoint.js';
import { ExecutionClient } from './execution-client.js';
import { openChannel, type ChannelOptions, type TlsFiles } from './open-channel.js';
import { OperationsClient } from './operations-client.js';
import { RemoteActionCache } from './remote-action-cache.js';
import { RemoteBlobStore } from './remote-blob-store.js';
import type { RemoteInstance } from './remote-instance.js';

/** Which server, or servers, a {@link Client} speaks to. */
export interface ClientOptions extends ChannelOptions, Pick<RemoteInstance, 'retryPolicy' | 'clock' | 'compression'> {
  /** @defaultValue the empty name */
  readonly instanceName?: string;
  /** Where the blobs are, if not at `url`. Token and request metadata go there too. */
  readonly casUrl?: string;
  /** Certificates for `casUrl`. @defaultValue those of `tls`, where both connections are encrypted */
  readonly casTls?: TlsFiles;
}

/** Everything that a REAPI server, or a pair of them, offers to one instance. Disposing of it closes the connections. */
export class Client implements AsyncDisposable {
  readonly blobs: BlobStore;
  readonly actionCache: ActionCache;
  readonly execution: ExecutionClient;
  readonly operations: OperationsClient;
  readonly capabilities: CapabilitiesClient;
  readonly bots: BotsClient;
  readonly admin: AdminClient;
  readonly #lifecycle: Lifecycle;

  private constructor(main: RemoteInstance, cas: RemoteInstance, lifecycle: Lifecycle) {
    this.blobs = new RemoteBlobStore(cas);
    this.actionCache = new RemoteActionCache(main);
    this.execution = new ExecutionClient(main);
    this.operations = new OperationsClient(main);
    this.capabilities = new CapabilitiesClient(main);
    this.bots = new BotsClient(main.channel);
    this.admin = new AdminClient(main);
    this.#lifecycle = lifecycle;
  }

  /**
   * Gets ready to call; a server that is not there shows at the first call. Throws INVALID_ARGUMENT for options that
   * cannot be right.
   */
  static async connect(options: ClientOptions): Promise<Client> {
    const { casUrl, tls, casTls, retryPolicy, clock, compression, instanceName = '', ...common } = options;
    const remote = {
      instanceName: checkInstanceName(instanceName),
      ...Object.fromEntries(Object.entries({ retryPolicy, clock, compression }).filter(([, value]) => value)),
    };
    const lifecycle = new Lifecycle();
    const main = { ...remote, channel: lifecycle.use(await openChannel({ ...common, ...(tls && { tls }) })) };
    if (casUrl === undefined) return new Client(main, main, lifecycle);
    try {
      const casFiles = casTls ?? (parseEndpoint(casUrl).isSecure ? tls : undefined);
      const channel = await openChannel({ ...common, url: casUrl, ...(casFiles && { tls: casFiles }) });
      return new Client(main, { ...remote, channel: lifecycle.use(channel) }, lifecycle);
    } catch (reason) {
      await lifecycle[Symbol.asyncDispose]();
      throw reason;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lifecycle[Symbol.asyncDispose]();
  }
}
