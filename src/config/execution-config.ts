import { z } from 'zod';
import { actionCache } from './action-cache-config.js';
import { sql } from './sql-config.js';
import { blobStore } from './storage-config.js';
import { tagged } from './tagged.js';

const sqlDataStore = tagged('sql-data-store', { storage: blobStore.optional(), ...sql });

const dataStore = z.discriminatedUnion('type', [
  tagged('memory-data-store', { storage: blobStore.optional() }),
  sqlDataStore,
]);

/** What the `type` of a data store without a tag means, as older files of BuildGrid have it. */
export const plainDataStores = { dataStore: { sql: 'sql-data-store', mem: 'memory-data-store' } };

/** An instance's scheduler. */
export const execution = tagged('execution', {
  storage: blobStore,
  actionCache: actionCache.optional(),
  actionBrowserUrl: z.url().optional(),
  dataStore: dataStore.optional(),
  propertyKeys: z.array(z.string().min(1)).default([]),
  botSessionKeepaliveTimeout: z.number().positive().optional(),
  maxExecutionTimeout: z.number().positive().optional(),
  maxQueueTime: z.number().min(0).optional(),
  cancelUnwatchedAfter: z.number().min(0).optional(),
  quarantineTime: z.number().min(0).max(86_400).optional(),
});

/** Where jobs live. */
export type DataStoreConfig = z.infer<typeof dataStore>;
/** Jobs in a database. */
export type SqlDataStoreConfig = z.infer<typeof sqlDataStore>;
/** A scheduler with its stores. */
export type ExecutionConfig = z.infer<typeof execution>;
