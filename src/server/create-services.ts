import { isActionCacheTag } from '../config/action-cache-config.js';
import type { Lifecycle } from '../common/lifecycle.js';
import type { ServerConfig } from '../config/server-config.js';
import { serviceNames } from '../proto/wire-names.js';
import { ActionCacheService } from '../services/action-cache-service.js';
import { AdminService } from '../services/admin-service.js';
import { BotsService } from '../services/bots-service.js';
import { ByteStreamService } from '../services/byte-stream-service.js';
import { CapabilitiesService } from '../services/capabilities-service.js';
import { ContentAddressableStorageService } from '../services/content-addressable-storage-service.js';
import { ExecutionService } from '../services/execution-service.js';
import { FetchService } from '../services/fetch-service.js';
import type { InstanceRegistry } from '../services/instance-registry.js';
import { OperationsService } from '../services/operations-service.js';
import { PartialUploads } from '../services/partial-uploads.js';
import { PushService } from '../services/push-service.js';
import { ReferenceStorageService } from '../services/reference-storage-service.js';
import type { ServiceMap } from './grpc-server.js';

type ServiceType = ServerConfig['instances'][number]['services'][number]['type'];

/**
 * The gRPC services that the instances of `config` need between them; each answers for the instances that have it. What they
 * keep between calls is closed with `lifecycle`.
 */
export function createServices(config: ServerConfig, registry: InstanceRegistry, lifecycle: Lifecycle): ServiceMap {
  const wanted = new Set(config.instances.flatMap(({ services }) => services.map(({ type }) => type)));
  const has = (...types: readonly ServiceType[]): boolean => types.some((type) => wanted.has(type));
  return {
    [serviceNames.capabilities]: new CapabilitiesService(registry),
    [serviceNames.admin]: new AdminService(registry),
    ...(has('cas') && { [serviceNames.cas]: new ContentAddressableStorageService(registry) }),
    ...(has('bytestream') && {
      [serviceNames.byteStream]: new ByteStreamService(registry, {
        partialUploads: lifecycle.use(new PartialUploads()),
      }),
    }),
    ...([...wanted].some(isActionCacheTag) && {
      [serviceNames.actionCache]: new ActionCacheService(registry),
    }),
    ...(has('asset-cache') && {
      [serviceNames.fetch]: new FetchService(registry),
      [serviceNames.push]: new PushService(registry),
    }),
    ...(has('reference-cache') && { [serviceNames.referenceStorage]: new ReferenceStorageService(registry) }),
    ...(has('execution') && {
      [serviceNames.execution]: new ExecutionService(registry),
      [serviceNames.operations]: new OperationsService(registry),
      [serviceNames.bots]: new BotsService(registry),
    }),
  };
}
