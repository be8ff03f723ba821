import type { ActionCache } from '../actioncache/action-cache.js';
import { CompletenessCheckingActionCache } from '../actioncache/completeness-checking-action-cache.js';
import { KeyedActionCache } from '../actioncache/keyed-action-cache.js';
import { ReferenceFollowingKeyedStore } from '../actioncache/reference-following-keyed-store.js';
import { RemoteActionCache } from '../client/remote-action-cache.js';
import type { ActionCacheConfig } from '../config/action-cache-config.js';
import type { Composition } from './composition.js';
import { createBlobStore } from './create-blob-store.js';
import { createBuildGridStore, createKeyedStore } from './create-keyed-store.js';
import { openRemote } from './open-remote.js';

/** Builds the action cache that `config` describes. It answers only results whose outputs are all there (D5). */
export function createActionCache(config: ActionCacheConfig, composition: Composition): Promise<ActionCache> {
  return composition.once(config, (each) => createNew(each, composition));
}

async function createNew(config: ActionCacheConfig, composition: Composition): Promise<ActionCache> {
  // Checked by the server that it stands for.
  if (config.type === 'remote-action-cache') return new RemoteActionCache(await openRemote(config, composition));
  const { logger } = composition;
  const blobs = await createBlobStore(config.storage, composition);
  const values =
    config.type === 's3action-cache'
      ? new ReferenceFollowingKeyedStore(await createBuildGridStore(config, composition), blobs)
      : await createKeyedStore(config, composition);
  return new CompletenessCheckingActionCache(new KeyedActionCache(values, logger), blobs, logger);
}
