import { AssetStore } from '../assets/asset-store.js';
import { ReferenceStore } from '../assets/reference-store.js';
import type { AssetCacheConfig, ReferenceCacheConfig } from '../config/asset-config.js';
import type { InstanceAssets, InstanceReferences } from '../services/instance-registry.js';
import type { Composition } from './composition.js';
import { createBlobStore } from './create-blob-store.js';
import { createKeyedStore } from './create-keyed-store.js';

/** Builds the asset cache that `config` describes. */
export function createAssets(config: AssetCacheConfig, composition: Composition): Promise<InstanceAssets> {
  return composition.once(config, async () => {
    const { logger } = composition;
    const blobs = await createBlobStore(config.storage, composition);
    const store = new AssetStore({ values: await createKeyedStore(config, composition), blobs, logger });
    return { source: store, store, allowsUpdates: config.allowUpdates };
  });
}

/** Builds the cache of BuildStream's references that `config` describes. */
export function createReferences(config: ReferenceCacheConfig, composition: Composition): Promise<InstanceReferences> {
  return composition.once(config, async () => {
    const { logger } = composition;
    const blobs = await createBlobStore(config.storage, composition);
    const store = new ReferenceStore({ values: await createKeyedStore(config, composition), blobs, logger });
    return { store, allowsUpdates: config.allowUpdates };
  });
}
