import { CompletenessCheckingActionCache } from '../../src/actioncache/completeness-checking-action-cache.js';
import { KeyedActionCache } from '../../src/actioncache/keyed-action-cache.js';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import type { BlobStore } from '../../src/blobstore/blob-store.js';
import type { StoreReport } from '../../src/blobstore/store-report.js';
import { VerifyingBlobStore } from '../../src/blobstore/decorators/verifying-blob-store.js';
import { Code } from '../../src/common/code.js';
import { silentLogger } from '../../src/common/logger.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import { MemoryKeyedStore } from '../../src/keyedstore/backends/memory-keyed-store.js';
import { packAny } from '../../src/proto/any.js';
import { reapi, type longrunning } from '../../src/proto/index.js';
import { GrpcServer } from '../../src/server/grpc-server.js';
import { ActionCacheService } from '../../src/services/action-cache-service.js';
import { AdminService } from '../../src/services/admin-service.js';
import { ByteStreamService } from '../../src/services/byte-stream-service.js';
import type { CallContext } from '../../src/services/call-context.js';
import { CapabilitiesService } from '../../src/services/capabilities-service.js';
import { ContentAddressableStorageService } from '../../src/services/content-addressable-storage-service.js';
import { InstanceRegistry } from '../../src/services/instance-registry.js';

const packageName = 'build.bazel.remote.execution.v2';

/** What a {@link CommandServer} lets callers do. */
export interface CommandServerOptions {
  readonly allowsUpdates?: boolean;
  readonly allowsAdmin?: boolean;
  /** Whether it has the services that only a `bgd` has. @defaultValue true */
  readonly isBgd?: boolean;
}

/** What became of an execution, as the test wants it. */
export interface ScriptedEnd {
  readonly result?: reapi.ActionResult.$Properties;
  readonly status?: { readonly code: Code; readonly message: string };
  readonly cachedResult?: boolean;
  readonly message?: string;
}

/** An operation of the name `operations/1` in a stage, or done with `end`. */
export function operationOf(stage: reapi.ExecutionStage.Value, end?: ScriptedEnd): longrunning.Operation.$Properties {
  const metadata = { stage, actionDigest: Digest.of(Buffer.from('action')).toProto() };
  const any = packAny(`${packageName}.ExecuteOperationMetadata`, reapi.ExecuteOperationMetadata, metadata);
  const response = end && packAny(`${packageName}.ExecuteResponse`, reapi.ExecuteResponse, { ...end });
  return { name: 'operations/1', metadata: any, done: end !== undefined, ...(response && { response }) };
}

/** Tells no state at all. */
async function* silence(): AsyncGenerator<longrunning.Operation.$Properties> {
  yield* [];
}

/** A server with a real CAS and ActionCache, whose executions and operations end as the test says. */
export class CommandServer implements AsyncDisposable {
  readonly blobs: BlobStore = new VerifyingBlobStore(new MemoryBlobStore());
  /** What Execute and WaitExecution tell; the last state must be done. */
  execute: (request: reapi.ExecuteRequest, context: CallContext) => AsyncIterable<longrunning.Operation.$Properties> =
    silence;
  operations: readonly longrunning.Operation.$Properties[] = [];
  readonly requests: reapi.ExecuteRequest[] = [];
  readonly cancelled: string[] = [];
  #server!: GrpcServer;

  static async listen(options: CommandServerOptions = {}): Promise<CommandServer> {
    const { allowsUpdates = true, allowsAdmin = true, isBgd = true } = options;
    const server = new CommandServer();
    const { blobs } = server;
    const actionCache = new CompletenessCheckingActionCache(new KeyedActionCache(new MemoryKeyedStore()), blobs);
    const stats = { blobs: 3, sizeBytes: 3 * 1024 ** 2, maxBytes: 1024 ** 3, figures: { freeBytes: 2 * 1024 ** 3 } };
    const part = { type: 'disk-storage', role: 'fallback', place: '/var/cas', stats, parts: [] };
    const reporter = async (): Promise<StoreReport> => ({
      ...{ type: 'with-cache-storage', role: '', place: '', stats: {}, trouble: 'no cache' },
      parts: [part],
    });
    const rights = { allowsActionCacheUpdates: allowsUpdates, allowsAdmin };
    const registry = new InstanceRegistry(new Map(), { blobs, reporter, actionCache, ...rights });
    server.#server = await GrpcServer.listen({
      addresses: [{ host: '127.0.0.1', port: 0 }],
      services: {
        [`${packageName}.Capabilities`]: new CapabilitiesService(registry),
        ...(isBgd && { 'bgd.admin.v1.Admin': new AdminService(registry) }),
        [`${packageName}.ContentAddressableStorage`]: new ContentAddressableStorageService(registry),
        [`${packageName}.ActionCache`]: new ActionCacheService(registry),
        'google.bytestream.ByteStream': new ByteStreamService(registry),
        [`${packageName}.Execution`]: server.#execution(),
        'google.longrunning.Operations': server.#operations(),
      },
      logger: silentLogger,
      stopGraceMs: 0,
    });
    return server;
  }

  get url(): string {
    return this.#server.url;
  }

  /** Stores a blob and returns its digest. */
  async store(data: Uint8Array): Promise<Digest> {
    const digest = Digest.of(data);
    await this.blobs.writeBatch([{ digest, data }]);
    return digest;
  }

  /** Lets executions end with `end`, at once. */
  endWith(end: ScriptedEnd): void {
    this.execute = async function* () {
      yield operationOf(reapi.ExecutionStage.Value.COMPLETED, end);
    };
  }

  /** Lets executions come to nothing. */
  refuseWith(reason: StatusError): void {
    // eslint-disable-next-line require-yield -- It fails before there is a state to tell of.
    this.execute = async function* () {
      throw reason;
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server[Symbol.asyncDispose]();
  }

  #execution(): object {
    return {
      execute: (request: reapi.ExecuteRequest, context: CallContext) => {
        this.requests.push(request);
        return this.execute(request, context);
      },
      waitExecution: (_request: reapi.WaitExecutionRequest, context: CallContext) =>
        this.execute(reapi.ExecuteRequest.create({}), context),
    };
  }

  #operations(): object {
    return {
      listOperations: async () => ({ operations: [...this.operations] }),
      getOperation: async ({ name }: longrunning.GetOperationRequest) => {
        const found = this.operations.find((operation) => operation.name === name);
        if (found) return found;
        throw new StatusError(Code.NotFound, `Operation ${JSON.stringify(name)} is not known`);
      },
      waitOperation: async () => ({}),
      cancelOperation: async ({ name }: longrunning.CancelOperationRequest) => {
        this.cancelled.push(name);
        return {};
      },
      deleteOperation: async () => ({}),
    };
  }
}
