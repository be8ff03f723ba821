import { silentLogger } from '../../src/common/logger.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import type { bytestream, longrunning, reapi, rwapi } from '../../src/proto/index.js';
import { serviceDefinition } from '../../src/proto/service-definition.js';
import { GrpcServer } from '../../src/server/grpc-server.js';
import type { ListenAddress } from '../../src/server/listen-address.js';
import type { CallContext } from '../../src/services/call-context.js';

type Unary<Request, Response> = (request: Request, context: CallContext) => Promise<Response> | Response;
type ServerStream<Request, Response> = (request: Request, context: CallContext) => AsyncIterable<Response>;
type ClientStream<Request, Response> = (requests: AsyncIterable<Request>, context: CallContext) => Promise<Response>;

/** What a {@link ScriptedServer} answers; methods that are left out are UNIMPLEMENTED. */
export interface Script {
  getCapabilities?: Unary<reapi.GetCapabilitiesRequest, reapi.ServerCapabilities.$Properties>;
  findMissingBlobs?: Unary<reapi.FindMissingBlobsRequest, reapi.FindMissingBlobsResponse.$Properties>;
  batchReadBlobs?: Unary<reapi.BatchReadBlobsRequest, reapi.BatchReadBlobsResponse.$Properties>;
  batchUpdateBlobs?: Unary<reapi.BatchUpdateBlobsRequest, reapi.BatchUpdateBlobsResponse.$Properties>;
  read?: ServerStream<bytestream.ReadRequest, bytestream.ReadResponse.$Properties>;
  write?: ClientStream<bytestream.WriteRequest, bytestream.WriteResponse.$Properties>;
  queryWriteStatus?: Unary<bytestream.QueryWriteStatusRequest, bytestream.QueryWriteStatusResponse.$Properties>;
  getActionResult?: Unary<reapi.GetActionResultRequest, reapi.ActionResult.$Properties>;
  updateActionResult?: Unary<reapi.UpdateActionResultRequest, reapi.ActionResult.$Properties>;
  execute?: ServerStream<reapi.ExecuteRequest, longrunning.Operation.$Properties>;
  waitExecution?: ServerStream<reapi.WaitExecutionRequest, longrunning.Operation.$Properties>;
  listOperations?: Unary<longrunning.ListOperationsRequest, longrunning.ListOperationsResponse.$Properties>;
  getOperation?: Unary<longrunning.GetOperationRequest, longrunning.Operation.$Properties>;
  waitOperation?: Unary<longrunning.WaitOperationRequest, longrunning.Operation.$Properties>;
  cancelOperation?: Unary<longrunning.CancelOperationRequest, object>;
  deleteOperation?: Unary<longrunning.DeleteOperationRequest, object>;
  createBotSession?: Unary<rwapi.CreateBotSessionRequest, rwapi.BotSession.$Properties>;
  updateBotSession?: Unary<rwapi.UpdateBotSessionRequest, rwapi.BotSession.$Properties>;
}

const services = [
  'build.bazel.remote.execution.v2.Capabilities',
  'build.bazel.remote.execution.v2.ContentAddressableStorage',
  'build.bazel.remote.execution.v2.ActionCache',
  'build.bazel.remote.execution.v2.Execution',
  'google.bytestream.ByteStream',
  'google.longrunning.Operations',
  'google.devtools.remoteworkers.v1test2.Bots',
];

/** A gRPC server whose every answer is given by the test, so that faults can be too. The script may change meanwhile. */
export class ScriptedServer implements AsyncDisposable {
  script: Script;
  readonly #calls: string[] = [];
  #server: GrpcServer | undefined;

  private constructor(script: Script) {
    this.script = script;
  }

  /** Listens on a free port of the loopback, or on `address`. */
  static async listen(
    script: Script = {},
    address: ListenAddress = { host: '127.0.0.1', port: 0 },
  ): Promise<ScriptedServer> {
    const scripted = new ScriptedServer(script);
    scripted.#server = await GrpcServer.listen({
      addresses: [address],
      services: Object.fromEntries(services.map((name) => [name, scripted.#service(name)])),
      logger: silentLogger,
      stopGraceMs: 0,
    });
    return scripted;
  }

  get url(): string {
    return this.#server?.url ?? '';
  }

  /** The methods called so far, in order. */
  get calls(): readonly string[] {
    return this.#calls;
  }

  /** How often `method` was called. */
  count(method: keyof Script): number {
    return this.#calls.filter((each) => each === method).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
  }

  #service(name: string): object {
    return Object.fromEntries(
      Object.entries(serviceDefinition(name)).map(([method, { responseStream }]) => [
        method,
        responseStream ? this.#streaming(method as keyof Script) : this.#answering(method as keyof Script),
      ]),
    );
  }

  #answering(method: keyof Script) {
    return async (request: never, context: CallContext): Promise<unknown> => this.#scripted(method)(request, context);
  }

  #streaming(method: keyof Script) {
    const scripted = (): ((request: never, context: CallContext) => unknown) => this.#scripted(method);
    return async function* (request: never, context: CallContext): AsyncGenerator {
      yield* scripted()(request, context) as AsyncIterable<unknown>;
    };
  }

  #scripted(method: keyof Script): (request: never, context: CallContext) => unknown {
    this.#calls.push(method);
    const scripted = this.script[method];
    if (scripted) return scripted as (request: never, context: CallContext) => unknown;
    throw new StatusError(Code.Unimplemented, `The script has no ${method}`);
  }
}
