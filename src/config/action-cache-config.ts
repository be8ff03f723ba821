import { z } from 'zod';
import { hasOnePlace, keyedPlace, onePlace } from './keyed-place.js';
import { bothKeys, hasBothKeysOrNone, s3 } from './object-store-config.js';
import { remote } from './remote-config.js';
import { blobStore } from './storage-config.js';
import { tagged } from './tagged.js';
import { text } from './values.js';

const cachePolicy = { allowUpdates: z.boolean().default(true), cacheFailedActions: z.boolean().default(false) };

const storedActionCache = tagged('action-cache', {
  storage: blobStore,
  maxCachedRefs: z.int().min(1, 'at least 1 is wanted: a cache of no results would keep nothing').optional(),
  ...keyedPlace,
  ...cachePolicy,
}).refine(hasOnePlace, onePlace);

const s3ActionCache = tagged('s3action-cache', {
  storage: blobStore,
  bucket: text.regex(/^[\w.-]+$/, { error: 'the name of a bucket is wanted' }),
  ...s3,
  ...cachePolicy,
}).refine(hasBothKeysOrNone, bothKeys);

/** The tags that stand for an instance's action cache. */
export const actionCaches = [storedActionCache, tagged('remote-action-cache', remote), s3ActionCache] as const;

/** Any action cache. */
export const actionCache = z.discriminatedUnion('type', actionCaches);

/** Where action results live. */
export type ActionCacheConfig = z.infer<typeof actionCache>;
