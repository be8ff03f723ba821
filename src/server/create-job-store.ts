import { dirname } from 'node:path';
import { makeFolders } from '../common/make-folders.js';
import type { DataStoreConfig } from '../config/execution-config.js';
import type { JobStore } from '../scheduler/job-store.js';
import { SqlJobStore } from '../scheduler/stores/sql-job-store.js';
import { parseConnectionString, type SqliteLocation } from '../sql/connection-string.js';
import { SqliteDatabase } from '../sql/sqlite-database.js';
import type { Composition } from './composition.js';

const inMemory: SqliteLocation = { path: ':memory:' };

/** Builds the job store that `config` describes; without one, jobs are forgotten when the server stops. */
export function createJobStore(config: DataStoreConfig | undefined, composition: Composition): Promise<JobStore> {
  if (config) return composition.once(config, (each) => createNew(each, composition));
  composition.logger.warn({}, 'Jobs are kept in memory and end with the server; !sql-data-store keeps them');
  return open(inMemory, true, composition);
}

async function createNew(config: DataStoreConfig, composition: Composition): Promise<JobStore> {
  switch (config.type) {
    case 'memory-data-store':
      return open(inMemory, true, composition);
    case 'sql-data-store': {
      const location = parseConnectionString(config.connectionString);
      await makeFolders(dirname(location.path));
      return open(location, config.automigrate, composition);
    }
  }
}

async function open(location: SqliteLocation, automigrate: boolean, { lifecycle }: Composition): Promise<JobStore> {
  const database = lifecycle.use(await SqliteDatabase.open(location));
  return SqlJobStore.open({ database, automigrate });
}
