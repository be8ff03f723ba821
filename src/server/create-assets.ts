import { AssetStore } from '../assets/asset-store.js';
import { OriginFetchingAssetSource, type OriginFetchingOptions } from '../assets/origin-fetching-asset-source.js';
import { AddressGuard } from '../assets/origins/address-guard.js';
import { AllowList } from '../assets/origins/allow-list.js';
import { HttpOrigin } from '../assets/origins/http-origin.js';
import { ReferenceStore } from '../assets/reference-store.js';
import type { BlobStore } from '../blobstore/blob-store.js';
import type { AssetCacheConfig, OriginsConfig, ReferenceCacheConfig } from '../config/asset-config.js';
import type { InstanceAssets, InstanceReferences } from '../services/instance-registry.js';
import type { Composition } from './composition.js';
import { createBlobStore } from './create-blob-store.js';
import { createKeyedStore } from './create-keyed-store.js';

/** Builds the asset cache that `config` describes. */
export function createAssets(config: AssetCacheConfig, composition: Composition): Promise<InstanceAssets> {
  return composition.once(config, async () => {
    const { lifecycle, logger } = composition;
    const { allowUpdates, fetch } = config;
    const blobs = await createBlobStore(config.storage, composition);
    const store = new AssetStore({ values: await createKeyedStore(config, composition), blobs, logger });
    if (!fetch) return { source: store, store, allowsUpdates: allowUpdates };
    const source = new OriginFetchingAssetSource({ store, ...originsOf(fetch, blobs), logger });
    return { source: lifecycle.use(source), store, allowsUpdates: allowUpdates };
  });
}

function originsOf(
  { allow, privateNetworks, maxSize, timeout }: OriginsConfig,
  blobs: BlobStore,
): Pick<OriginFetchingOptions, 'allowList' | 'origins' | 'timeoutMs'> {
  const allowList = new AllowList(allow);
  const guard = new AddressGuard(privateNetworks);
  return {
    allowList,
    origins: [new HttpOrigin({ blobs, allowList, guard, maxBytes: maxSize })],
    timeoutMs: timeout * 1_000,
  };
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
