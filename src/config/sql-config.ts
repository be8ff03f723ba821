import { z } from 'zod';
import { tagged } from './tagged.js';
import { text } from './values.js';

/** The keys of what keeps tables in a database. The pool is that of PostgreSQL, with the names of SQLAlchemy. */
export const sql = {
  connectionString: text,
  automigrate: z.boolean().default(true),
  poolSize: z.int().min(1).optional(),
  maxOverflow: z.int().min(0).optional(),
  poolTimeout: z.number().positive().optional(),
  connectArgs: z
    .undefined({ error: 'they belong into connection-string, such as postgresql://HOST/DATABASE?sslmode=require' })
    .optional(),
};

/** Small values in a database. */
export const sqlStorage = tagged('sql-storage', { ...sql, ttl: z.int().positive().optional() });

/** The keys of an index of blobs, besides the storage. */
export const sqlIndex = {
  ...sql,
  fallbackOnGet: z.boolean().default(false),
  windowSize: z.int().min(1).max(100_000).optional(),
  /** As BuildGrid has it; lists are one parameter here, however long they are. */
  inclauseLimit: z.int().optional(),
  maxInlineBlobSize: z
    .undefined({ error: 'blobs are kept in storage only: !split-storage can put small ones somewhere else' })
    .optional(),
};

/** Small values in a database. */
export type SqlStorageConfig = z.infer<typeof sqlStorage>;
