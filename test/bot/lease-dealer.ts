import { setTimeout as delay } from 'node:timers/promises';
import type { BlobStore } from '../../src/blobstore/blob-store.js';
import { silentLogger } from '../../src/common/logger.js';
import type { StatusError } from '../../src/common/status-error.js';
import type { Digest } from '../../src/digest/digest.js';
import { packAny } from '../../src/proto/any.js';
import { reapi, rwapi } from '../../src/proto/index.js';
import { GrpcServer } from '../../src/server/grpc-server.js';
import { ByteStreamService } from '../../src/services/byte-stream-service.js';
import type { CallContext } from '../../src/services/call-context.js';
import { CapabilitiesService } from '../../src/services/capabilities-service.js';
import { ContentAddressableStorageService } from '../../src/services/content-addressable-storage-service.js';
import { InstanceRegistry } from '../../src/services/instance-registry.js';

const { PENDING, ACTIVE, COMPLETED } = rwapi.LeaseState;

/** Hands out the leases it is given, one a session, and notes what comes back. */
export class LeaseDealer {
  readonly sessions: rwapi.BotSession.$Properties[] = [];
  readonly parents = new Set<string>();
  readonly reports = new Map<string, rwapi.Lease.$Properties>();
  readonly statuses: rwapi.BotStatus[] = [];
  readonly #waiting: rwapi.Lease.$Properties[] = [];
  readonly #refusal: StatusError | undefined;

  constructor(refusal?: StatusError) {
    this.#refusal = refusal;
  }

  /** The ids of all bots that have registered, each once. */
  get botIds(): string[] {
    return [...new Set(this.sessions.map(({ botId }) => botId ?? ''))].sort();
  }

  offer(id: string, action: Digest): void {
    const payload = packAny('build.bazel.remote.execution.v2.Digest', reapi.Digest, action.toProto());
    this.#waiting.push({ id, state: PENDING, payload });
  }

  /** Serves these leases, and `blobs` as the CAS of the instance `main`. */
  listen(blobs: BlobStore, port = 0): Promise<GrpcServer> {
    const registry = new InstanceRegistry(new Map([['main', { blobs }]]));
    return GrpcServer.listen({
      addresses: [{ host: '127.0.0.1', port }],
      logger: silentLogger,
      services: {
        'build.bazel.remote.execution.v2.Capabilities': new CapabilitiesService(registry),
        'build.bazel.remote.execution.v2.ContentAddressableStorage': new ContentAddressableStorageService(registry),
        'google.bytestream.ByteStream': new ByteStreamService(registry),
        'google.devtools.remoteworkers.v1test2.Bots': this,
      },
    });
  }

  async createBotSession({ parent, botSession }: rwapi.CreateBotSessionRequest): Promise<rwapi.BotSession.$Properties> {
    if (this.#refusal) throw this.#refusal;
    this.parents.add(parent);
    this.sessions.push(botSession ?? {});
    return { ...botSession, name: `sessions/${botSession?.botId ?? ''}` };
  }

  async updateBotSession(
    request: rwapi.UpdateBotSessionRequest,
    { signal }: CallContext,
  ): Promise<rwapi.BotSession.$Properties> {
    const session = rwapi.BotSession.fromObject(request.botSession ?? {});
    this.statuses.push(session.status);
    for (const lease of session.leases) if (lease.state === COMPLETED) this.reports.set(lease.id ?? '', lease);
    const running = session.leases.filter(({ state }) => state === ACTIVE);
    if (session.status === rwapi.BotStatus.BOT_TERMINATING) return this.#answer(session, running);
    // Held until there is something to tell, as a long poll is.
    while ((running.length > 0 || this.#waiting.length === 0) && !signal.aborted) await delay(10);
    return this.#answer(session, running.length > 0 ? running : this.#waiting.splice(0, 1));
  }

  #answer({ name, botId }: rwapi.BotSession, leases: rwapi.Lease.$Properties[]): rwapi.BotSession.$Properties {
    return { name, botId, leases };
  }
}
