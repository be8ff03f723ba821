import { BlobIndex } from '../blobstore/decorators/sql-index/blob-index.js';
import { blobIndexSchema } from '../blobstore/decorators/sql-index/blob-index-schema.js';
import { BlobRemovals } from '../blobstore/decorators/sql-index/blob-removals.js';
import {
  type CleanupOptions,
  type CleanupReport,
  type RefillProgress,
  cleanUp,
  refill,
} from '../blobstore/decorators/sql-index/clean-up.js';
import { IndexUpkeep } from '../blobstore/decorators/sql-index/index-upkeep.js';
import { Code } from '../common/code.js';
import { Lifecycle } from '../common/lifecycle.js';
import type { Logger } from '../common/logger.js';
import { StatusError } from '../common/status-error.js';
import type { ServerConfig } from '../config/server-config.js';
import type { BlobStoreConfig, RemoteConfig, SqlIndexConfig } from '../config/storage-config.js';
import { taggedIn } from '../config/tagged-in.js';
import { loadDigestFunctions } from '../digest/digest-function.js';
import { migrate } from '../sql/migrate.js';
import { Composition } from './composition.js';
import { createBlobListing } from './create-blob-listing.js';
import { createBlobStore } from './create-blob-store.js';
import { openIndexDatabase } from './create-sql-index.js';

export type { CleanupOptions };

/** What is needed to look after the indexes of a configuration. */
export interface UpkeepOptions {
  readonly config: ServerConfig;
  readonly logger: Logger;
}

/** What became of one index. */
export type OfStorage<Report> = Report & {
  /** Names the indexed storage: its tag, and its bucket or the like. */
  readonly storage: string;
};

/**
 * Cleans up every indexed storage that `config` has, one after the other, while its servers go on. Throws FAILED_PRECONDITION
 * if it has none. Nothing else of the configuration is opened.
 */
export function runCleanup(
  options: UpkeepOptions,
  cleanup: CleanupOptions,
  signal?: AbortSignal,
): Promise<readonly OfStorage<CleanupReport>[]> {
  return forEachIndex(options, async (config, composition) => {
    assertDeletes(config);
    const blobs = await createBlobStore(config.storage, composition);
    const database = await openMigrated(config, composition);
    const parts = {
      index: new BlobIndex(database),
      removals: new BlobRemovals(database, blobs),
      upkeep: new IndexUpkeep(database),
    };
    return cleanUp(parts, cleanup, signal);
  });
}

/** Enters into every index of `config` what its storage lists. Throws as {@link runCleanup} does. */
export function runRefill(
  options: UpkeepOptions,
  onProgress: (progress: RefillProgress) => void,
  signal?: AbortSignal,
): Promise<readonly OfStorage<RefillProgress>[]> {
  return forEachIndex(options, async (config, composition) => {
    const list = await createBlobListing(config.storage, composition);
    const database = await openMigrated(config, composition);
    const parts = { index: new BlobIndex(database), upkeep: new IndexUpkeep(database) };
    return refill(parts, list(signal), onProgress, signal);
  });
}

async function forEachIndex<Report>(
  { config, logger }: UpkeepOptions,
  task: (index: SqlIndexConfig, composition: Composition) => Promise<Report>,
): Promise<OfStorage<Report>[]> {
  const indexes = taggedIn<SqlIndexConfig>(config, 'sql-index');
  if (indexes.length === 0) {
    throw new StatusError(Code.FailedPrecondition, 'The configuration has no !sql-index: there is nothing to clean up');
  }
  await loadDigestFunctions();
  const reports: OfStorage<Report>[] = [];
  for (const index of indexes) {
    await using lifecycle = new Lifecycle();
    const report = await task(index, new Composition(lifecycle, logger));
    reports.push({ ...report, storage: nameOf(index.storage) });
  }
  return reports;
}

async function openMigrated(config: SqlIndexConfig, composition: Composition): ReturnType<typeof openIndexDatabase> {
  const database = await openIndexDatabase(config, composition);
  await migrate(database, blobIndexSchema, { automigrate: config.automigrate });
  return database;
}

/** What cannot be removed must not be marked either. */
function assertDeletes({ storage }: SqlIndexConfig): void {
  const [remote] = taggedIn<RemoteConfig>(storage, 'remote-storage');
  if (!remote) return;
  const text = `Blobs of !remote-storage cannot be removed from here: clean up where ${remote.url} keeps them`;
  throw new StatusError(Code.FailedPrecondition, text);
}

function nameOf(config: BlobStoreConfig): string {
  return 'bucket' in config ? `!${config.type} ${config.bucket}` : `!${config.type}`;
}
