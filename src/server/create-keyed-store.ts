import type { ActionCacheConfig } from '../config/action-cache-config.js';
import type { HttpCacheConfig } from '../config/endpoint-config.js';
import { DiskKeyedStore } from '../keyedstore/backends/disk-keyed-store.js';
import { MemoryKeyedStore } from '../keyedstore/backends/memory-keyed-store.js';
import { RedisKeyedStore } from '../keyedstore/backends/redis-keyed-store.js';
import { S3KeyedStore } from '../keyedstore/backends/s3-keyed-store.js';
import { SqlKeyedStore } from '../keyedstore/backends/sql-keyed-store.js';
import type { KeyedStore } from '../keyedstore/keyed-store.js';
import type { Composition } from './composition.js';
import { openRedis } from './open-redis.js';
import { openS3 } from './open-s3.js';
import { openSql } from './open-sql.js';

/** Values that `max-cached-refs` does not bound. */
const defaultMaxEntries = 100_000;

/** What says where a keyed store is. */
type KeyedStorePlace = Pick<HttpCacheConfig, 'path' | 'store'> & { readonly maxCachedRefs?: number | undefined };

/** Builds the store of an action cache or of an HTTP cache: `store` or `path`, or memory. */
export async function createKeyedStore(
  { path, store, maxCachedRefs }: KeyedStorePlace,
  composition: Composition,
): Promise<KeyedStore> {
  const { lifecycle, logger } = composition;
  switch (store?.type) {
    case 's3-storage':
      return new S3KeyedStore({ connection: await openS3(store, composition), bucket: store.bucket });
    case 'redis-storage':
      return new RedisKeyedStore({ connection: await openRedis(store, composition), ttlSeconds: store.ttl });
    case 'sql-storage': {
      const { automigrate, ttl: ttlSeconds } = store;
      const database = await openSql(store, composition);
      return lifecycle.use(await SqlKeyedStore.open({ database, automigrate, ttlSeconds, logger }));
    }
    case undefined:
      if (path === undefined) return new MemoryKeyedStore({ maxEntries: maxCachedRefs ?? defaultMaxEntries });
      return lifecycle.use(await DiskKeyedStore.open({ path, logger }));
  }
}

/** Builds the store of an action cache in an S3 bucket, with BuildGrid's names: `HASH_SIZE` of the Action's Digest. */
export async function createBuildGridStore(
  config: Extract<ActionCacheConfig, { type: 's3action-cache' }>,
  composition: Composition,
): Promise<KeyedStore> {
  const connection = await openS3(config, composition);
  return new S3KeyedStore({ connection, bucket: config.bucket, objectNameOf: buildGridName });
}

/** From a key of the action cache, `ac/FUNCTION/HASH-SIZE`; other functions than SHA-256 keep theirs as a folder. */
function buildGridName(key: string): string {
  return key.replace(/^ac\/(?:sha256\/)?/, '').replace('-', '_');
}
