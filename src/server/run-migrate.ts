import { existsSync } from 'node:fs';
import { blobIndexSchema } from '../blobstore/decorators/sql-index/blob-index-schema.js';
import { Code } from '../common/code.js';
import { Lifecycle } from '../common/lifecycle.js';
import type { Logger } from '../common/logger.js';
import { StatusError } from '../common/status-error.js';
import type { SqlDataStoreConfig } from '../config/execution-config.js';
import type { ServerConfig } from '../config/server-config.js';
import type { SqlStorageConfig } from '../config/sql-config.js';
import type { SqlIndexConfig } from '../config/storage-config.js';
import { taggedIn } from '../config/tagged-in.js';
import { keyedValuesSchema } from '../keyedstore/backends/keyed-values-schema.js';
import { jobSchema } from '../scheduler/stores/job-schema.js';
import { parseConnectionString } from '../sql/connection-string.js';
import { type Schema, type SchemaState, migrate, schemaState } from '../sql/migrate.js';
import { postgresName } from '../sql/postgres-location.js';
import { Composition } from './composition.js';
import { openSql } from './open-sql.js';

/** What {@link runMigrate} is told. */
export interface MigrateCommandOptions {
  readonly config: ServerConfig;
  readonly logger: Logger;
  /** Whether it is only said what would be done. */
  readonly isDryRun: boolean;
}

/** What was done, or would be, to the tables of one component. */
export interface MigrationReport extends SchemaState {
  /** Names the database, without any secret (S6). */
  readonly database: string;
  /** The version that this program needs. */
  readonly neededVersion: number;
}

/** Tables that a configuration has somewhere. */
interface Tables {
  readonly place: { readonly connectionString: string };
  readonly schema: Schema;
}

/**
 * Brings the tables of every database of `config` up to date, also where it says `automigrate: false`. Throws
 * FAILED_PRECONDITION if it has none, and for what a server refuses, too: a newer schema, or tables of another program.
 */
export async function runMigrate(
  { config, logger, isDryRun }: MigrateCommandOptions,
  signal?: AbortSignal,
): Promise<readonly MigrationReport[]> {
  const all = tablesIn(config);
  if (all.length === 0) {
    throw new StatusError(Code.FailedPrecondition, 'The configuration has no database: there is nothing to migrate');
  }
  await using lifecycle = new Lifecycle();
  const composition = new Composition(lifecycle, logger);
  const reports: MigrationReport[] = [];
  for (const tables of all) {
    signal?.throwIfAborted();
    reports.push(await migrateOne(tables, composition, isDryRun));
  }
  return reports;
}

/** Each component of each database once, however often it is named. */
function tablesIn(config: ServerConfig): readonly Tables[] {
  const found: Tables[] = [
    ...taggedIn<SqlDataStoreConfig>(config, 'sql-data-store').map((place) => ({ place, schema: jobSchema })),
    ...taggedIn<SqlIndexConfig>(config, 'sql-index').map((place) => ({ place, schema: blobIndexSchema })),
    ...taggedIn<SqlStorageConfig>(config, 'sql-storage').map((place) => ({ place, schema: keyedValuesSchema })),
  ];
  const keyOf = ({ place, schema }: Tables): string => `${schema.component} ${place.connectionString}`;
  return [...new Map(found.map((tables) => [keyOf(tables), tables])).values()];
}

async function migrateOne(
  { place, schema }: Tables,
  composition: Composition,
  isDryRun: boolean,
): Promise<MigrationReport> {
  const location = parseConnectionString(place.connectionString);
  const names = {
    database: location.type === 'sqlite' ? `SQLite ${location.path}` : postgresName(location),
    neededVersion: schema.migrations.length,
  };
  // To open a file that is not there would make it.
  if (isDryRun && location.type === 'sqlite' && !existsSync(location.path)) {
    return { ...names, component: schema.component, version: 0, missing: schema.migrations.map(({ name }) => name) };
  }
  const database = await openSql(place, composition);
  const state = await schemaState(database, schema);
  if (!isDryRun) await migrate(database, schema);
  return { ...names, ...state };
}
