import type { AssetStore } from '../assets/asset-store.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { remoteasset } from '../proto/index.js';
import { pushOf } from './asset-request.js';
import type { CallContext } from './call-context.js';
import type { InstanceRegistry } from './instance-registry.js';

/** Serves `Push` of the Remote Asset API into the asset stores of its instances. */
export class PushService {
  readonly #registry: InstanceRegistry;

  constructor(registry: InstanceRegistry) {
    this.#registry = registry;
  }

  async pushBlob(
    request: remoteasset.PushBlobRequest,
    { signal }: CallContext,
  ): Promise<remoteasset.PushBlobResponse.$Properties> {
    await this.#storeFor(request.instanceName).push(pushOf('blob', request, request.blobDigest), signal);
    return {};
  }

  async pushDirectory(
    request: remoteasset.PushDirectoryRequest,
    { signal }: CallContext,
  ): Promise<remoteasset.PushDirectoryResponse.$Properties> {
    await this.#storeFor(request.instanceName).push(pushOf('directory', request, request.rootDirectoryDigest), signal);
    return {};
  }

  /** Asked before the request is looked at: BuildStream finds out by an empty one whether it may push. */
  #storeFor(instanceName: string): AssetStore {
    const { store, allowsUpdates } = this.#registry.assets(instanceName);
    if (allowsUpdates) return store;
    throw new StatusError(
      Code.PermissionDenied,
      `Clients may not push assets to instance ${JSON.stringify(instanceName)}`,
    );
  }
}
