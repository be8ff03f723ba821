import { z } from 'zod';
import { hasOnePlace, keyedPlace, onePlace } from './keyed-place.js';
import { blobStore } from './storage-config.js';
import { tagged } from './tagged.js';

/** What caches of names have in common. */
const names = { storage: blobStore, ...keyedPlace, allowUpdates: z.boolean().default(true) };

/** BuildStream's names of artifacts. */
export const referenceCache = tagged('reference-cache', {
  ...names,
  maxCachedRefs: z.int().min(1, 'at least 1 is wanted: a cache of no references would keep nothing').optional(),
}).refine(hasOnePlace, onePlace);

/** The names of the Remote Asset API. */
export const assetCache = tagged('asset-cache', names).refine(hasOnePlace, onePlace);

/** Where BuildStream's references live. */
export type ReferenceCacheConfig = z.infer<typeof referenceCache>;
/** Where the names of assets live. */
export type AssetCacheConfig = z.infer<typeof assetCache>;
