import { BuildGridObjects } from '../blobstore/buildgrid-objects.js';
import { VerifyingBlobStore } from '../blobstore/decorators/verifying-blob-store.js';
import { type ImportedBlobs, importObjects } from '../blobstore/import-objects.js';
import { Code } from '../common/code.js';
import { Lifecycle } from '../common/lifecycle.js';
import type { Logger } from '../common/logger.js';
import { StatusError } from '../common/status-error.js';
import type { ServerConfig } from '../config/server-config.js';
import type { BlobStoreConfig } from '../config/storage-config.js';
import { taggedIn } from '../config/tagged-in.js';
import { loadDigestFunctions } from '../digest/digest-function.js';
import { Composition } from './composition.js';
import { openDisk } from './open-disk.js';

/** What {@link runImport} is told. */
export interface ImportOptions {
  readonly config: ServerConfig;
  readonly logger: Logger;
  /** The path of BuildGrid's `!disk-storage`. */
  readonly from: string;
  /** The path of the `!disk-storage` that takes the blobs; may be left out where there is but one. */
  readonly into?: string | undefined;
  readonly onDamaged: (path: string, fault: string) => void;
  readonly onProgress: (progress: ImportedBlobs) => void;
}

/** What {@link runImport} has done. */
export interface ImportReport extends ImportedBlobs {
  readonly from: string;
  readonly into: string;
  /** How many blobs the storage had to give up for lack of room. */
  readonly evicted: number;
}

type DiskConfig = Extract<BlobStoreConfig, { type: 'disk-storage' }>;

/**
 * Copies the blobs of a BuildGrid's folder into a storage on disk, which no server may have open; the folder stays as it
 * is. Each blob is checked. Throws FAILED_PRECONDITION if there is no such folder, or if it is not clear which storage is meant.
 */
export async function runImport(options: ImportOptions, signal?: AbortSignal): Promise<ImportReport> {
  const { config, logger, from, onDamaged, onProgress } = options;
  const objects = await BuildGridObjects.open(from);
  const disk = chosenDisk(config, options.into);
  await loadDigestFunctions();
  await using lifecycle = new Lifecycle();
  const store = await openDisk(disk, new Composition(lifecycle, logger));
  const verifying = new VerifyingBlobStore(store, logger);
  const imported = await importObjects(objects.list(signal), { store: verifying, onDamaged, onProgress }, signal);
  const { figures } = await store.stats();
  return { ...imported, from, into: disk.path, evicted: figures?.['evictedBlobs'] ?? 0 };
}

function chosenDisk(config: ServerConfig, into: string | undefined): DiskConfig {
  const disks = taggedIn<DiskConfig>(config, 'disk-storage');
  const chosen = into === undefined ? disks : disks.filter(({ path }) => path === into);
  const [disk] = chosen;
  if (disk && chosen.length === 1) return disk;
  const paths = disks.map(({ path }) => path).join(', ');
  const found = disks.length === 0 ? 'The configuration has no !disk-storage' : `The configuration has ${paths}`;
  const wanted =
    disks.length === 0 ? 'blobs can be imported into one only' : 'say by --into which one of them is meant';
  throw new StatusError(Code.FailedPrecondition, `${found}: ${wanted}`);
}
