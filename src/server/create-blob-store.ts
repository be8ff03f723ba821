import type { BlobStore } from '../blobstore/blob-store.js';
import { DiskBlobStore } from '../blobstore/backends/disk-blob-store.js';
import { MemoryBlobStore } from '../blobstore/backends/memory-blob-store.js';
import { RedisBlobStore } from '../blobstore/backends/redis-blob-store.js';
import { S3BlobStore } from '../blobstore/backends/s3-blob-store.js';
import { VerifyingBlobStore } from '../blobstore/decorators/verifying-blob-store.js';
import { RemoteBlobStore } from '../client/remote-blob-store.js';
import type { BlobStoreConfig } from '../config/server-config.js';
import type { Composition } from './composition.js';
import { openRedis } from './open-redis.js';
import { openRemote } from './open-remote.js';
import { openS3 } from './open-s3.js';

/** Builds the store that `config` describes. Nothing unverified comes out of it or goes into it. */
export function createBlobStore(config: BlobStoreConfig, composition: Composition): Promise<BlobStore> {
  return composition.once(config, (each) => createNew(each, composition));
}

async function createNew(config: BlobStoreConfig, composition: Composition): Promise<BlobStore> {
  const { lifecycle, logger } = composition;
  switch (config.type) {
    case 'lru-storage':
      return new VerifyingBlobStore(new MemoryBlobStore({ maxBytes: config.size }), logger);
    case 'disk-storage': {
      const { path, size } = config;
      const disk = await DiskBlobStore.open({ path, logger, ...(size !== undefined && { maxBytes: size }) });
      logger.info({ path, maxBytes: disk.maxBytes }, 'Blobs are kept on disk');
      return new VerifyingBlobStore(lifecycle.use(disk), logger);
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
