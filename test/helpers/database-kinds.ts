import { silentLogger } from '../../src/common/logger.js';
import type { Database } from '../../src/sql/database.js';
import { openDatabase } from '../../src/sql/open-database.js';
import { PostgresServer } from './postgres.js';

/** What a suite runs on that is for each kind of database. */
export interface DatabaseKind {
  readonly kind: string;
  /** Opens a new, empty database. The first one of PostgreSQL takes some seconds. */
  readonly open: () => Promise<Database>;
}

/** Every kind of database that stores can have their tables in. */
export const databaseKinds: readonly DatabaseKind[] = [
  { kind: 'SQLite', open: () => openDatabase('sqlite://', { logger: silentLogger }) },
  {
    kind: 'PostgreSQL',
    open: async () => openDatabase(await (await PostgresServer.shared()).createDatabase(), { logger: silentLogger }),
  },
];
