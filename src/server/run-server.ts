import { once } from 'node:events';
import type { ServerCredentials } from '@grpc/grpc-js';
import { Lifecycle } from '../common/lifecycle.js';
import type { Logger } from '../common/logger.js';
import type { ChannelConfig } from '../config/endpoint-config.js';
import type { ServerConfig } from '../config/server-config.js';
import { loadDigestFunctions } from '../digest/digest-function.js';
import { HttpServer } from '../http/http-server.js';
import { Composition } from './composition.js';
import { createHttpCache } from './create-http-cache.js';
import { createInstances } from './create-instances.js';
import { createServices } from './create-services.js';
import { GrpcServer } from './grpc-server.js';
import type { ListenAddress } from './listen-address.js';
import { readServerCredentials } from './server-credentials.js';

/** What {@link runServer} depends on. */
export interface RunServerOptions {
  readonly config: ServerConfig;
  /** Listens here instead of where the configuration says. */
  readonly listen?: ListenAddress;
  readonly logger: Logger;
  /** Told the URL of each endpoint once it serves. */
  readonly onListening: (url: string) => void;
}

/** Serves `config` until `signal` aborts, then stops gracefully. The composition root of `bgd server start`. */
export async function runServer(options: RunServerOptions, signal: AbortSignal): Promise<void> {
  const { config, listen, logger, onListening } = options;
  await using lifecycle = new Lifecycle();
  await loadDigestFunctions();
  const composition = new Composition(lifecycle, logger);
  const registry = await createInstances(config, composition);
  const services = createServices(config, registry, lifecycle);
  const endpoints = listen
    ? [{ addresses: [listen] }]
    : await Promise.all(config.server.filter(isChannel).map((channel) => endpointOf(channel, logger)));
  for (const endpoint of endpoints) {
    const server = lifecycle.use(await GrpcServer.listen({ ...endpoint, services, logger }));
    onListening(server.url);
  }
  for (const each of listen ? [] : config.server) {
    if (isChannel(each)) continue;
    const handler = await createHttpCache(each, composition);
    const server = await HttpServer.listen({ hosts: hostsOf(each.address), port: each.port, handler, logger });
    onListening(lifecycle.use(server).url);
  }
  if (!signal.aborted) await once(signal, 'abort');
}

function isChannel(endpoint: ServerConfig['server'][number]): endpoint is ChannelConfig {
  return endpoint.type === 'channel';
}

interface Endpoint {
  readonly addresses: readonly ListenAddress[];
  readonly credentials?: ServerCredentials;
}

async function endpointOf(
  { address, port, insecureMode, credentials }: ChannelConfig,
  logger: Logger,
): Promise<Endpoint> {
  const addresses = hostsOf(address).map((host) => ({ host, port }));
  if (insecureMode || !credentials) return { addresses };
  return { addresses, credentials: await readServerCredentials(credentials, logger) };
}

/** As BuildGrid does, a channel without an address binds all interfaces. */
function hostsOf(address: string | undefined): readonly [string, ...string[]] {
  return address === 'localhost' ? ['127.0.0.1', '::1'] : [address ?? '::'];
}
