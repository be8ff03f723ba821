import type { BlobStore } from '../blobstore/blob-store.js';
import { MemoryBlobStore } from '../blobstore/backends/memory-blob-store.js';
import { RedisBlobStore } from '../blobstore/backends/redis-blob-store.js';
import { S3BlobStore } from '../blobstore/backends/s3-blob-store.js';
import { MirroredBlobStore } from '../blobstore/decorators/mirrored-blob-store.js';
import { ReadCachingBlobStore } from '../blobstore/decorators/read-caching-blob-store.js';
import { type Shard, ShardingBlobStore } from '../blobstore/decorators/sharding-blob-store.js';
import { SizeSplittingBlobStore } from '../blobstore/decorators/size-splitting-blob-store.js';
import { VerifyingBlobStore } from '../blobstore/decorators/verifying-blob-store.js';
import { RemoteBlobStore } from '../client/remote-blob-store.js';
import type { BlobStoreConfig, ShardConfig, SimpleStorageConfig, SqlIndexConfig } from '../config/storage-config.js';
import type { Composition } from './composition.js';
import { createSqlIndex } from './create-sql-index.js';
import { openDisk } from './open-disk.js';
import { openRedis } from './open-redis.js';
import { openRemote } from './open-remote.js';
import { openS3 } from './open-s3.js';

/** Builds the store that `config` describes. Nothing unverified comes out of it or goes into it. */
export function createBlobStore(config: BlobStoreConfig, composition: Composition): Promise<BlobStore> {
  return composition.once(config, async (each) => {
    if (each.type !== 'sql-index') return createNew(each, composition);
    return createSqlIndex(each, await createBlobStore(each.storage, composition), composition);
  });
}

/** The parts of a composed store are verified each by itself: so one side of a mirror can make up for damage of the other. */
async function createNew(
  config: Exclude<BlobStoreConfig, SqlIndexConfig>,
  composition: Composition,
): Promise<BlobStore> {
  const { logger } = composition;
  const create = (part: BlobStoreConfig): Promise<BlobStore> => createBlobStore(part, composition);
  switch (config.type) {
    case 'with-cache-storage':
      return new ReadCachingBlobStore(await create(config.cache), await create(config.fallback), logger);
    case 'split-storage': {
      const [small, large] = [await create(config.small), await create(config.large)];
      return new SizeSplittingBlobStore({ small, large, thresholdBytes: config.threshold });
    }
    case 'mirrored-storage':
      return new MirroredBlobStore(await create(config.first), await create(config.second), logger);
    case 'sharded-storage':
      return new ShardingBlobStore(await createShards(config.shards, create));
    case 'lru-storage':
    case 'disk-storage':
    case 'remote-storage':
    case 's3-storage':
    case 'redis-storage':
      return createSimple(config, composition);
  }
}

/** One after the other: what was opened before one that cannot be is closed again. */
async function createShards(
  configs: readonly ShardConfig[],
  create: (part: BlobStoreConfig) => Promise<BlobStore>,
): Promise<Shard[]> {
  const shards: Shard[] = [];
  for (const { name, weight, storage } of configs) shards.push({ name, weight, store: await create(storage) });
  return shards;
}

async function createSimple(config: SimpleStorageConfig, composition: Composition): Promise<BlobStore> {
  const { logger } = composition;
  switch (config.type) {
    case 'lru-storage':
      return new VerifyingBlobStore(new MemoryBlobStore({ maxBytes: config.size }), logger);
    case 'disk-storage': {
      const disk = await openDisk(config, composition);
      logger.info({ path: config.path, maxBytes: disk.maxBytes }, 'Blobs are kept on disk');
      return new VerifyingBlobStore(disk, logger);
    }
    case 'remote-storage':
      // Verifies by itself.
      return new RemoteBlobStore(await openRemote(config, composition));
    case 's3-storage': {
      const connection = await openS3(config, composition);
      return new VerifyingBlobStore(new S3BlobStore({ connection, bucket: config.bucket, logger }), logger);
    }
    case 'redis-storage': {
      const connection = await openRedis(config, composition);
      return new VerifyingBlobStore(new RedisBlobStore({ connection, ttlSeconds: config.ttl }), logger);
    }
  }
}
