import { z } from 'zod';
import { actionCache } from './action-cache-config.js';
import { blobStore } from './storage-config.js';
import { tagged } from './tagged.js';

const dataStore = z.discriminatedUnion('type', [
  tagged('memory-data-store', { storage: blobStore.optional() }),
  tagged('sql-data-store', {
    storage: blobStore.optional(),
    connectionString: z.string().min(1),
    automigrate: z.boolean().default(true),
  }),
]);

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
});

/** Where jobs live. */
export type DataStoreConfig = z.infer<typeof dataStore>;
/** A scheduler with its stores. */
export type ExecutionConfig = z.infer<typeof execution>;
