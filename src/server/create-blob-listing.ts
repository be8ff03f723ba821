import { S3BlobListing } from '../blobstore/backends/s3-blob-listing.js';
import type { FoundBlob } from '../blobstore/found-blob.js';
import { systemClock } from '../common/clock.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { BlobStoreConfig } from '../config/storage-config.js';
import type { Composition } from './composition.js';
import { openDisk } from './open-disk.js';
import { openS3 } from './open-s3.js';

type DiskConfig = Extract<BlobStoreConfig, { type: 'disk-storage' }>;

/** Goes through all blobs of a storage; one that is in several of its parts may be named by each. */
export type BlobListing = (signal?: AbortSignal) => AsyncIterable<FoundBlob>;

/**
 * Makes what lists the blobs of the storage that `config` describes. Throws FAILED_PRECONDITION for one that cannot be listed.
 * A folder must be free: it is opened.
 */
export async function createBlobListing(config: BlobStoreConfig, composition: Composition): Promise<BlobListing> {
  if (config.type === 's3-storage') {
    const listing = new S3BlobListing(await openS3(config, composition), config.bucket);
    return (signal) => listing.list(signal);
  }
  if (config.type === 'disk-storage') return listDisk(config, composition);
  const parts = partsOf(config);
  if (parts.length > 0) return joined(parts, composition);
  throw new StatusError(Code.FailedPrecondition, `The blobs of !${config.type} cannot be listed`);
}

/** Of what a storage is composed. A cache has nothing that its durable storage has not. */
function partsOf(config: BlobStoreConfig): readonly BlobStoreConfig[] {
  if ('fallback' in config) return [config.fallback];
  if ('small' in config) return [config.small, config.large];
  if ('first' in config) return [config.first, config.second];
  if ('shards' in config) return config.shards.map(({ storage }) => storage);
  return 'storage' in config ? [config.storage] : [];
}

/** When a file was stored is not known here: its blob counts as used now. Nothing is evicted meanwhile. */
async function listDisk(config: DiskConfig, composition: Composition): Promise<BlobListing> {
  const disk = await openDisk({ ...config, size: Number.MAX_SAFE_INTEGER }, composition);
  return async function* (signal) {
    for await (const digest of disk.list(signal)) yield { digest, modifiedAtMs: systemClock.now() };
  };
}

async function joined(parts: readonly BlobStoreConfig[], composition: Composition): Promise<BlobListing> {
  const listings: BlobListing[] = [];
  for (const part of parts) listings.push(await createBlobListing(part, composition));
  return async function* (signal) {
    for (const list of listings) yield* list(signal);
  };
}
