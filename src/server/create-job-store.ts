import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { DataStoreConfig } from '../config/execution-config.js';
import type { JobStore } from '../scheduler/job-store.js';
import { SqlJobStore } from '../scheduler/stores/sql-job-store.js';
import { parseConnectionString } from '../sql/connection-string.js';
import { openDatabase } from '../sql/open-database.js';
import type { Composition } from './composition.js';

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

/** Jobs have a database of their own: each store tells its watchers only of the changes that it makes itself. */
async function open(place: string, automigrate: boolean, { lifecycle, logger }: Composition): Promise<JobStore> {
  if (parseConnectionString(place).type !== 'sqlite') {
    throw new StatusError(Code.InvalidArgument, 'Jobs are kept in SQLite only: !sql-data-store wants sqlite:///FILE');
  }
  const database = lifecycle.use(await openDatabase(place, { logger }));
  return SqlJobStore.open({ database, automigrate });
}
