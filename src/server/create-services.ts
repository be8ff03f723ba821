import type { ServerConfig } from '../config/server-config.js';
import { ActionCacheService } from '../services/action-cache-service.js';
import { BotsService } from '../services/bots-service.js';
import { ByteStreamService } from '../services/byte-stream-service.js';
import { CapabilitiesService } from '../services/capabilities-service.js';
import { ContentAddressableStorageService } from '../services/content-addressable-storage-service.js';
import { ExecutionService } from '../services/execution-service.js';
import type { InstanceRegistry } from '../services/instance-registry.js';
import { OperationsService } from '../services/operations-service.js';
import type { ServiceMap } from './grpc-server.js';

type ServiceType = ServerConfig['instances'][number]['services'][number]['type'];

const reapiPackage = 'build.bazel.remote.execution.v2';

/** The gRPC services that the instances of `config` need between them; each answers for the instances that have it. */
export function createServices(config: ServerConfig, registry: InstanceRegistry): ServiceMap {
  const wanted = new Set(config.instances.flatMap(({ services }) => services.map(({ type }) => type)));
  const has = (...types: readonly ServiceType[]): boolean => types.some((type) => wanted.has(type));
  return {
    [`${reapiPackage}.Capabilities`]: new CapabilitiesService(registry),
    ...(has('cas') && {
      [`${reapiPackage}.ContentAddressableStorage`]: new ContentAddressableStorageService(registry),
    }),
    ...(has('bytestream') && { 'google.bytestream.ByteStream': new ByteStreamService(registry) }),
    ...(has('action-cache', 'remote-action-cache') && {
      [`${reapiPackage}.ActionCache`]: new ActionCacheService(registry),
    }),
    ...(has('execution') && {
      [`${reapiPackage}.Execution`]: new ExecutionService(registry),
      'google.longrunning.Operations': new OperationsService(registry),
      'google.devtools.remoteworkers.v1test2.Bots': new BotsService(registry),
    }),
  };
}
