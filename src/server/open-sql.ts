import { resolve } from 'node:path';
import { parseConnectionString } from '../sql/connection-string.js';
import type { Database } from '../sql/database.js';
import { openDatabase } from '../sql/open-database.js';
import type { Composition } from './composition.js';

/** Where a database is, and how many connections it may have. */
export interface SqlPlace {
  readonly connectionString: string;
  /** Connections that stay, and as many more that may come besides. */
  readonly poolSize?: number | undefined;
  readonly maxOverflow?: number | undefined;
  /** Seconds to wait for one. */
  readonly poolTimeout?: number | undefined;
}

/** SQLAlchemy's defaults, which BuildGrid's users have. */
const defaultPoolSize = 5;
const defaultOverflow = 10;

/**
 * Opens the database that `config` names; stores that name the same one share it, as only one process may have a SQLite file.
 * One in memory is nobody else's.
 */
export function openSql(config: SqlPlace, composition: Composition): Promise<Database> {
  const { lifecycle, logger } = composition;
  const { connectionString, poolSize = defaultPoolSize, maxOverflow = defaultOverflow, poolTimeout } = config;
  const acquireTimeoutMs = poolTimeout === undefined ? undefined : poolTimeout * 1000;
  const options = { maxConnections: poolSize + maxOverflow, acquireTimeoutMs, logger };
  const open = async (): Promise<Database> => lifecycle.use(await openDatabase(connectionString, options));
  const location = parseConnectionString(connectionString);
  if (location.type === 'postgresql')
    return composition.shared(['sql', location, poolSize, maxOverflow, poolTimeout], open);
  return location.path === ':memory:' ? open() : composition.shared(['sql', resolve(location.path)], open);
}
