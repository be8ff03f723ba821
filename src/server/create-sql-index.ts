import type { BlobStore } from '../blobstore/blob-store.js';
import { SqlIndexBlobStore } from '../blobstore/decorators/sql-index/sql-index-blob-store.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { SqlIndexConfig } from '../config/storage-config.js';
import { parseConnectionString } from '../sql/connection-string.js';
import type { Database } from '../sql/database.js';
import type { Composition } from './composition.js';
import { openSql } from './open-sql.js';

/** Builds the store that `config` describes over the one that is indexed. */
export async function createSqlIndex(
  config: SqlIndexConfig,
  blobs: BlobStore,
  composition: Composition,
): Promise<BlobStore> {
  const { lifecycle, logger } = composition;
  const { automigrate, fallbackOnGet: fallsBackOnGet, windowSize: window } = config;
  const database = await openIndexDatabase(config, composition);
  const store = await SqlIndexBlobStore.open(blobs, { database, automigrate, fallsBackOnGet, window, logger });
  return lifecycle.use(store);
}

/** Opens the database of an index. Throws INVALID_ARGUMENT for one in memory: the index would be lost, and the storage not. */
export function openIndexDatabase(config: SqlIndexConfig, composition: Composition): Promise<Database> {
  const location = parseConnectionString(config.connectionString);
  if (location.type === 'sqlite' && location.path === ':memory:') {
    const text = '!sql-index wants a database that stays: sqlite:///FILE or postgresql://HOST/DATABASE';
    throw new StatusError(Code.InvalidArgument, text);
  }
  return openSql(config, composition);
}
