import type { DataStoreConfig, SqlDataStoreConfig } from '../config/execution-config.js';
import type { InspectableJobStore } from '../scheduler/job-inspection.js';
import { SharedJobEvents } from '../scheduler/shared-job-events.js';
import { SqlJobStore } from '../scheduler/stores/sql-job-store.js';
import { parseConnectionString } from '../sql/connection-string.js';
import type { Composition } from './composition.js';
import { openSql } from './open-sql.js';

/** Builds the job store that `config` describes; without one, jobs are forgotten when the server stops. */
export function createJobStore(
  config: DataStoreConfig | undefined,
  composition: Composition,
): Promise<InspectableJobStore> {
  if (config) return composition.once(config, (each) => createNew(each, composition));
  composition.logger.warn({}, 'Jobs are kept in memory and end with the server; !sql-data-store keeps them');
  return openInMemory(composition);
}

function createNew(config: DataStoreConfig, composition: Composition): Promise<InspectableJobStore> {
  return config.type === 'memory-data-store' ? openInMemory(composition) : open(config, composition);
}

async function openInMemory(composition: Composition): Promise<InspectableJobStore> {
  return SqlJobStore.open({ database: await openSql({ connectionString: 'sqlite://' }, composition) });
}

/** Only one process has a SQLite file, so that it tells itself of all changes; over PostgreSQL several tell each other. */
async function open(config: SqlDataStoreConfig, composition: Composition): Promise<InspectableJobStore> {
  const { lifecycle, logger } = composition;
  const { connectionString, automigrate } = config;
  const database = await openSql(config, composition);
  const location = parseConnectionString(connectionString);
  if (location.type === 'sqlite') return SqlJobStore.open({ database, automigrate });
  const { PostgresListener } = await import('../sql/postgres-listener.js');
  const events = new SharedJobEvents(lifecycle.use(await PostgresListener.open({ ...location, logger })));
  return SqlJobStore.open({ database, automigrate, events });
}
