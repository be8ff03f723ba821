import { policyOf } from '../config/action-cache-config.js';
import { type InstanceConfig, type ServerConfig, anyInstanceName, isReadOnly } from '../config/server-config.js';
import { checkInstanceName } from '../digest/instance-name.js';
import { type Instance, InstanceRegistry } from '../services/instance-registry.js';
import type { Composition } from './composition.js';
import { createActionCache } from './create-action-cache.js';
import { createAssets, createReferences } from './create-assets.js';
import { createBlobStore } from './create-blob-store.js';
import { createExecution } from './create-execution.js';
import { createStoreReporter } from './create-store-reporter.js';

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

async function createInstance(config: InstanceConfig, composition: Composition): Promise<Instance> {
  const { admin, maxBlobSize } = config;
  let instance: Instance = {
    isReadOnly: isReadOnly(config),
    allowsAdmin: admin,
    ...(maxBlobSize !== undefined && { maxBlobBytes: maxBlobSize }),
  };
  for (const service of config.services) instance = { ...instance, ...(await createPart(service, composition)) };
  if (!isReadOnly(config)) return instance;
  const { assets, references } = instance;
  return {
    ...instance,
    ...(assets && { assets: { ...assets, allowsUpdates: false } }),
    ...(references && { references: { ...references, allowsUpdates: false } }),
  };
}

/** What one of an instance's services adds to it. */
async function createPart(service: InstanceConfig['services'][number], composition: Composition): Promise<Instance> {
  switch (service.type) {
    case 'cas':
    case 'bytestream':
      return {
        blobs: await createBlobStore(service.storage, composition),
        reporter: await createStoreReporter(service.storage, composition),
      };
    case 'action-cache':
    case 's3action-cache':
    case 'remote-action-cache':
    case 'write-once-action-cache':
      return {
        actionCache: await createActionCache(service, composition),
        allowsActionCacheUpdates: policyOf(service).allowUpdates,
      };
    case 'asset-cache':
      return { assets: await createAssets(service, composition) };
    case 'reference-cache':
      return { references: await createReferences(service, composition) };
    case 'execution':
      return { execution: await createExecution(service, composition) };
  }
}
