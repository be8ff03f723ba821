import { type InstanceConfig, type ServerConfig, anyInstanceName } from '../config/server-config.js';
import { checkInstanceName } from '../digest/instance-name.js';
import { type Instance, InstanceRegistry } from '../services/instance-registry.js';
import type { Composition } from './composition.js';
import { createActionCache } from './create-action-cache.js';
import { createBlobStore } from './create-blob-store.js';
import { createExecution } from './create-execution.js';

/** Builds what each instance name stands for. */
export async function createInstances(
  { instances }: ServerConfig,
  composition: Composition,
): Promise<InstanceRegistry> {
  const byName = new Map<string, Instance>();
  let fallback: Instance | undefined;
  for (const config of instances) {
    const instance = await createInstance(config, composition);
    if (config.name === anyInstanceName) fallback = instance;
    else byName.set(checkInstanceName(config.name), instance);
  }
  return new InstanceRegistry(byName, fallback);
}

async function createInstance({ services }: InstanceConfig, composition: Composition): Promise<Instance> {
  const instance: { -readonly [Part in keyof Instance]: Instance[Part] } = {};
  for (const service of services) {
    switch (service.type) {
      case 'cas':
      case 'bytestream':
        instance.blobs = await createBlobStore(service.storage, composition);
        break;
      case 'action-cache':
      case 's3action-cache':
      case 'remote-action-cache':
        instance.actionCache = await createActionCache(service, composition);
        instance.allowsActionCacheUpdates = service.type === 'remote-action-cache' || service.allowUpdates;
        break;
      case 'execution':
        instance.execution = await createExecution(service, composition);
        break;
    }
  }
  return instance;
}
