import { DiskBlobStore } from '../blobstore/backends/disk-blob-store.js';
import type { BlobStoreConfig } from '../config/storage-config.js';
import type { Composition } from './composition.js';

type DiskStorageConfig = Extract<BlobStoreConfig, { type: 'disk-storage' }>;

/** Opens the folder that `config` names, without a check of what is in it; once for all who ask. */
export function openDisk({ node, path, size }: DiskStorageConfig, composition: Composition): Promise<DiskBlobStore> {
  const { lifecycle, logger } = composition;
  return composition.shared(['disk', node], async () =>
    lifecycle.use(await DiskBlobStore.open({ path, logger, ...(size !== undefined && { maxBytes: size }) })),
  );
}
