import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { DataStoreConfig } from '../config/execution-config.js';
import type { JobStore } from '../scheduler/job-store.js';
import { SqlJobStore } from '../scheduler/stores/sql-job-store.js';
import { parseConnectionString } from '../sql/connection-string.js';
import type { Composition } from './composition.js';
import { openSql } from './open-sql.js';

const inMemory = 'sqlite://';

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
    case 'sql-data-store':
      return open(config.connectionString, config.automigrate, composition);
  }
}

/** The watchers of a store hear only of the changes that it makes itself, so no other process may have its database. */
async function open(connectionString: string, automigrate: boolean, composition: Composition): Promise<JobStore> {
  if (parseConnectionString(connectionString).type !== 'sqlite') {
    throw new StatusError(Code.InvalidArgument, 'Jobs are kept in SQLite only: !sql-data-store wants sqlite:///FILE');
  }
  return SqlJobStore.open({ database: await openSql({ connectionString }, composition), automigrate });
}
