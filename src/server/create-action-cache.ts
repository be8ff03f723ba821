import type { ActionCache } from '../actioncache/action-cache.js';
import { CompletenessCheckingActionCache } from '../actioncache/completeness-checking-action-cache.js';
import { FailureExcludingActionCache } from '../actioncache/failure-excluding-action-cache.js';
import { KeyedActionCache } from '../actioncache/keyed-action-cache.js';
import { ReferenceFollowingKeyedStore } from '../actioncache/reference-following-keyed-store.js';
import { WriteOnceActionCache } from '../actioncache/write-once-action-cache.js';
import { RemoteActionCache } from '../client/remote-action-cache.js';
import type { ActionCacheConfig } from '../config/action-cache-config.js';
import type { Composition } from './composition.js';
import { createBlobStore } from './create-blob-store.js';
import { createBuildGridStore, createKeyedStore } from './create-keyed-store.js';
import { openRemote } from './open-remote.js';

type StoredActionCacheConfig = Extract<ActionCacheConfig, { type: 'action-cache' | 's3action-cache' }>;

/** Builds the action cache that `config` describes. It answers only results whose outputs are all there (D5). */
export function createActionCache(config: ActionCacheConfig, composition: Composition): Promise<ActionCache> {
  return composition.once(config, (each) => createNew(each, composition));
}

async function createNew(config: ActionCacheConfig, composition: Composition): Promise<ActionCache> {
  switch (config.type) {
    case 'write-once-action-cache': {
      // One for all that wrap the same cache, for two would not know of each other's writers.
      const { actionCache } = config;
      return composition.shared(['write-once', actionCache.node], async () => {
        return new WriteOnceActionCache(await createActionCache(actionCache, composition));
      });
    }
    case 'remote-action-cache':
      // Checked by the server that it stands for.
      return new RemoteActionCache(await openRemote(config, composition));
    case 'action-cache':
    case 's3action-cache':
      return createStored(config, composition);
  }
}

async function createStored(config: StoredActionCacheConfig, composition: Composition): Promise<ActionCache> {
  const { logger } = composition;
  const blobs = await createBlobStore(config.storage, composition);
  const values =
    config.type === 's3action-cache'
      ? new ReferenceFollowingKeyedStore(await createBuildGridStore(config, composition), blobs)
      : await createKeyedStore(config, composition);
  const complete = new CompletenessCheckingActionCache(new KeyedActionCache(values, logger), blobs, logger);
  return config.cacheFailedActions ? complete : new FailureExcludingActionCache(complete);
}
