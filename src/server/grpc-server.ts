import { Server, ServerCredentials, logVerbosity, setLogVerbosity } from '@grpc/grpc-js';
import { Code } from '../common/code.js';
import { type Clock, systemClock } from '../common/clock.js';
import type { Logger } from '../common/logger.js';
import { StatusError } from '../common/status-error.js';
import { serviceDefinition } from '../proto/service-definition.js';
import { serviceNames } from '../proto/wire-names.js';
import { adaptService } from '../services/grpc-adapter.js';
import { HealthService } from '../services/health-service.js';
import { maxReceivedMessageBytes } from '../services/limits.js';
import { OpenCalls } from '../services/open-calls.js';
import { UnreadAnswers } from '../services/unread-answers.js';
import { FlowWindows } from './flow-windows.js';
import { withLargeWindows } from './large-windows.js';
import { type ListenAddress, bindTarget, urlOf } from './listen-address.js';

/** Services by their full proto name, such as `google.bytestream.ByteStream`. */
export type ServiceMap = Readonly<Record<string, object>>;

/** What {@link GrpcServer.listen} is told. */
export interface GrpcServerOptions {
  /** Where to listen. With several, all must be free, and port 0 in a later one means the port of the first. */
  readonly addresses: readonly ListenAddress[];
  readonly services: ServiceMap;
  readonly logger: Logger;
  /** @defaultValue plain text */
  readonly credentials?: ServerCredentials;
  /** How long calls may go on after a stop was asked for. @defaultValue 10 s */
  readonly stopGraceMs?: number;
  readonly clock?: Clock;
}

const channelOptions = {
  'grpc.max_receive_message_length': maxReceivedMessageBytes,
  'grpc.max_send_message_length': -1,
  'grpc.max_concurrent_streams': 10_000,
  // Statistics that nobody can ask for, kept for every call.
  'grpc.enable_channelz': 0,
  // U1: peers that vanish without a word are noticed; connections age out, with time to finish.
  'grpc.keepalive_time_ms': 20_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.max_connection_age_ms': 30 * 60_000,
  'grpc.max_connection_age_grace_ms': 10 * 60_000,
};

/** The one method whose requests may have to wait for the disk. */
const uploadPaths = [`/${serviceNames.byteStream}/Write`];

/** Calls that wait for something to happen: a stopping server ends them at once, their callers come back by themselves. */
const waitingCalls = /\/(Execute|WaitExecution|WaitOperation|UpdateBotSession|CreateBotSession)$/;

interface Parts {
  readonly server: Server;
  readonly health: HealthService;
  readonly calls: OpenCalls;
}

/** Hosts services on one endpoint. Disposal stops it gracefully. */
export class GrpcServer implements AsyncDisposable {
  /** The first address, with the port that was found, as `grpc://ADDRESS:PORT`, `grpcs://…` with TLS, or `unix:PATH`. */
  readonly url: string;
  readonly #parts: Parts;
  readonly #options: GrpcServerOptions;
  #stopping: Promise<void> | undefined;

  private constructor(url: string, parts: Parts, options: GrpcServerOptions) {
    this.url = url;
    this.#parts = parts;
    this.#options = options;
  }

  /** Serves when it resolves. Throws UNAVAILABLE if an address cannot be bound. */
  static async listen(options: GrpcServerOptions): Promise<GrpcServer> {
    const { services, logger, addresses, clock } = options;
    // What it would print on stderr is in the errors that it gives us.
    setLogVerbosity(logVerbosity.NONE);
    const server = new Server(channelOptions);
    const calls = new OpenCalls();
    const unread = new UnreadAnswers({ ...(clock && { clock }) });
    const health = new HealthService(Object.keys(services));
    for (const [name, service] of Object.entries({ ...services, [serviceNames.health]: health })) {
      const { definition, handlers } = adaptService(serviceDefinition(name), service, { calls, unread, logger });
      server.addService(definition, handlers);
    }
    try {
      const bound = await withLargeWindows(new FlowWindows({ uploadPaths }), () => bindAll(server, options));
      return new GrpcServer(urlOf(bound, options.credentials !== undefined), { server, health, calls }, options);
    } catch (reason) {
      server.forceShutdown();
      const wanted = addresses.map(bindTarget).join(' and ');
      throw new StatusError(Code.Unavailable, `Cannot listen on ${wanted}: ${bindFault(reason)}`, { cause: reason });
    }
  }

  /**
   * Stops accepting, ends waiting calls with UNAVAILABLE, lets the others finish within the grace time, then cuts off what
   * is left. Resolves when no handler is running any more.
   */
  [Symbol.asyncDispose](): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    const { clock = systemClock, stopGraceMs = 10_000, logger } = this.#options;
    const { server, health, calls } = this.#parts;
    const stopping = new StatusError(Code.Unavailable, 'The server is stopping; try again');
    health.stopServing();
    const closed = new Promise<void>((resolve) => void server.tryShutdown(() => resolve()));
    const finished = Promise.all([closed, calls.idle()]);
    calls.abort(stopping, (path) => waitingCalls.test(path));
    const graceOver = new AbortController();
    await Promise.race([finished, clock.sleep(stopGraceMs, graceOver.signal)]);
    graceOver.abort();
    if (calls.count > 0) logger.warn({ calls: calls.count }, 'Calls cut off at the end of the grace time');
    calls.abort(stopping);
    server.forceShutdown();
    await calls.idle();
  }
}

async function bindAll(server: Server, { addresses, credentials }: GrpcServerOptions): Promise<ListenAddress> {
  const bound: ListenAddress[] = [];
  for (const address of addresses) {
    const target = bindTarget(withPortOf(bound[0], address));
    const port = await new Promise<number>((resolve, reject) => {
      server.bindAsync(target, credentials ?? ServerCredentials.createInsecure(), (error, found) => {
        if (error) reject(error);
        else resolve(found);
      });
    });
    bound.push('socketPath' in address ? address : { ...address, port });
  }
  const [first] = bound;
  if (!first) throw new TypeError('A server needs an address to listen on');
  return first;
}

function withPortOf(first: ListenAddress | undefined, address: ListenAddress): ListenAddress {
  const isFree = 'port' in address && address.port === 0;
  return isFree && first && 'port' in first ? { ...address, port: first.port } : address;
}

function bindFault(reason: unknown): string {
  const message = reason instanceof Error ? reason.message : String(reason);
  if (message.includes('EADDRINUSE')) return 'the address is in use (another server?)';
  if (message.includes('EACCES')) return 'permission denied';
  if (message.includes('EADDRNOTAVAIL')) return 'this machine has no such address';
  return message;
}
