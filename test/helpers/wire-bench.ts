import { openChannel } from '../../src/client/open-channel.js';
import type { Channel } from '../../src/client/channel.js';
import { methods } from '../../src/client/method.js';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { silentLogger } from '../../src/common/logger.js';
import { unpackAny } from '../../src/proto/any.js';
import { reapi, type longrunning, type rwapi } from '../../src/proto/index.js';
import { messageNames, serviceNames } from '../../src/proto/wire-names.js';
import { GrpcServer } from '../../src/server/grpc-server.js';
import { BotsService } from '../../src/services/bots-service.js';
import { ExecutionService } from '../../src/services/execution-service.js';
import { OperationsService } from '../../src/services/operations-service.js';
import { ActionBench } from './action-bench.js';
import type { SchedulerBenchOptions } from './scheduler-bench.js';

/** The services of execution behind a real endpoint, over a real store, on a clock that stands still. */
export class WireBench implements AsyncDisposable {
  readonly actions: ActionBench;
  readonly server: GrpcServer;
  readonly channel: Channel;
  readonly #lifecycle: Lifecycle;

  private constructor(lifecycle: Lifecycle, actions: ActionBench, server: GrpcServer, channel: Channel) {
    this.#lifecycle = lifecycle;
    this.actions = actions;
    this.server = server;
    this.channel = channel;
  }

  static async open(options: SchedulerBenchOptions = {}): Promise<WireBench> {
    const lifecycle = new Lifecycle();
    const actions = lifecycle.use(await ActionBench.open(options));
    const { registry, jobs } = actions;
    const services = {
      [serviceNames.execution]: new ExecutionService(registry),
      [serviceNames.operations]: new OperationsService(registry, jobs.clock),
      [serviceNames.bots]: new BotsService(registry),
    };
    const addresses = [{ host: '127.0.0.1', port: 0 }] as const;
    const server = lifecycle.use(
      await GrpcServer.listen({ addresses, services, logger: silentLogger, stopGraceMs: 1_000 }),
    );
    const channel = await openChannel({ url: server.url, callTimeoutMs: 5_000 });
    lifecycle.use(channel);
    return new WireBench(lifecycle, actions, server, channel);
  }

  /** Follows an Execute of the instance `main`. */
  execute(request: reapi.ExecuteRequest.$Properties, signal?: AbortSignal): AsyncGenerator<longrunning.Operation> {
    return this.channel.serverStream(methods.execute, { instanceName: 'main', ...request }, {}, signal);
  }

  createSession(botSession: rwapi.BotSession.$Properties, parent = 'main'): Promise<rwapi.BotSession> {
    return this.channel.unary(methods.createBotSession, { parent, botSession });
  }

  updateSession(botSession: rwapi.BotSession.$Properties, timeoutMs = 5_000): Promise<rwapi.BotSession> {
    const name = botSession.name ?? '';
    return this.channel.unary(methods.updateBotSession, { name, botSession }, { timeoutMs });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#lifecycle[Symbol.asyncDispose]();
  }
}

/** What an operation says of its stage. */
export function stageOf({ metadata }: longrunning.Operation): reapi.ExecutionStage.Value | undefined {
  return unpackAny(messageNames.executeOperationMetadata, reapi.ExecuteOperationMetadata, metadata)?.stage;
}

/** How an operation ended; `undefined` while it has not. */
export function endOf({ response }: longrunning.Operation): reapi.ExecuteResponse | undefined {
  return unpackAny(messageNames.executeResponse, reapi.ExecuteResponse, response);
}
