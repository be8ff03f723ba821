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

const simpleActionCaches = [storedActionCache, tagged('remote-action-cache', remote), s3ActionCache] as const;

/** The tags that stand for an instance's action cache. */
export const actionCaches = [
  ...simpleActionCaches,
  tagged('write-once-action-cache', { actionCache: z.discriminatedUnion('type', simpleActionCaches) }),
] as const;

const types = new Set<string>(actionCaches.map(({ shape }) => shape.type.value));

/** Any action cache. */
export const actionCache = z.discriminatedUnion('type', actionCaches);

/** Where action results live. */
export type ActionCacheConfig = z.infer<typeof actionCache>;

/** Whether a tag stands for an action cache. */
export function isActionCacheTag(type: string): boolean {
  return types.has(type);
}

/** What an action cache takes, and from whom. */
export interface ActionCachePolicy {
  /** Whether clients may write it. */
  readonly allowUpdates: boolean;
  /** Whether results of actions that failed are kept. */
  readonly cacheFailedActions: boolean;
}

/** The policy of an action cache. A remote one has its own: clients are sent on to it, failures are not. */
export function policyOf(config: ActionCacheConfig): ActionCachePolicy {
  switch (config.type) {
    case 'write-once-action-cache':
      return policyOf(config.actionCache);
    case 'remote-action-cache':
      return { allowUpdates: true, cacheFailedActions: false };
    case 'action-cache':
    case 's3action-cache':
      return config;
  }
}
