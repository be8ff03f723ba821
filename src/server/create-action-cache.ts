import type { ActionCache } from '../actioncache/action-cache.js';
import { CompletenessCheckingActionCache } from '../actioncache/completeness-checking-action-cache.js';
import { KeyedActionCache } from '../actioncache/keyed-action-cache.js';
import { RemoteActionCache } from '../client/remote-action-cache.js';
import type { ActionCacheConfig } from '../config/server-config.js';
import { DiskKeyedStore } from '../keyedstore/backends/disk-keyed-store.js';
import { MemoryKeyedStore } from '../keyedstore/backends/memory-keyed-store.js';
import type { KeyedStore } from '../keyedstore/keyed-store.js';
import type { Composition } from './composition.js';
import { createBlobStore } from './create-blob-store.js';
import { openRemote } from './open-remote.js';

type StoredActionCacheConfig = Extract<ActionCacheConfig, { type: 'action-cache' }>;

/** Results that `max-cached-refs` does not bound. */
const defaultMaxEntries = 100_000;

/** Builds the action cache that `config` describes. It answers only results whose outputs are all there (D5). */
export function createActionCache(config: ActionCacheConfig, composition: Composition): Promise<ActionCache> {
  return composition.once(config, (each) => createNew(each, composition));
}

async function createNew(config: ActionCacheConfig, composition: Composition): Promise<ActionCache> {
  switch (config.type) {
    case 'action-cache': {
      const { logger } = composition;
      const cache = new KeyedActionCache(await createKeyedStore(config, composition), logger);
      return new CompletenessCheckingActionCache(cache, await createBlobStore(config.storage, composition), logger);
    }
    case 'remote-action-cache':
      // Checked by the server that it stands for.
      return new RemoteActionCache(await openRemote(config, composition));
  }
}

async function createKeyedStore(
  config: StoredActionCacheConfig,
  { lifecycle, logger }: Composition,
): Promise<KeyedStore> {
  if (config.path === undefined) return new MemoryKeyedStore({ maxEntries: config.maxCachedRefs ?? defaultMaxEntries });
  return lifecycle.use(await DiskKeyedStore.open({ path: config.path, logger }));
}
