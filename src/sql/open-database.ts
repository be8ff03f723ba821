import { dirname } from 'node:path';
import type { Logger } from '../common/logger.js';
import { makeFolders } from '../common/make-folders.js';
import { parseConnectionString } from './connection-string.js';
import type { Database } from './database.js';

/** What {@link openDatabase} is told besides where the database is. */
export interface OpenDatabaseOptions {
  readonly logger: Logger;
  /** For PostgreSQL; SQLite has one connection. */
  readonly maxConnections?: number | undefined;
  /** How long to wait for a connection, for PostgreSQL. */
  readonly acquireTimeoutMs?: number | undefined;
}

/**
 * Opens the database that a connection string means, and makes the folder of a file that is new. Loads the driver of that
 * kind only. Throws as `parseConnectionString`, `SqliteDatabase.open` and `PostgresDatabase.open` do.
 */
export async function openDatabase(connectionString: string, options: OpenDatabaseOptions): Promise<Database> {
  const location = parseConnectionString(connectionString);
  if (location.type === 'postgresql') {
    const { PostgresDatabase } = await import('./postgres-database.js');
    return PostgresDatabase.open({ ...location, ...options });
  }
  const { SqliteDatabase } = await import('./sqlite-database.js');
  if (location.path !== ':memory:') await makeFolders(dirname(location.path));
  return SqliteDatabase.open(location);
}
