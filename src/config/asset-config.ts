import { isIP } from 'node:net';
import { z } from 'zod';
import { hasOnePlace, keyedPlace, onePlace } from './keyed-place.js';
import { blobStore } from './storage-config.js';
import { tagged } from './tagged.js';
import { size } from './values.js';

/** What caches of names have in common. */
const names = { storage: blobStore, ...keyedPlace, allowUpdates: z.boolean().default(true) };

/** BuildStream's names of artifacts. */
export const referenceCache = tagged('reference-cache', {
  ...names,
  maxCachedRefs: z.int().min(1, 'at least 1 is wanted: a cache of no references would keep nothing').optional(),
}).refine(hasOnePlace, onePlace);

const urlPrefix = z.string().refine(isUrlPrefix, {
  error: 'a host is wanted, or an https:// or http:// URL that others begin with, without user, query and fragment',
});

const network = z.string().refine(isNetwork, { error: 'a network is wanted, such as 10.1.0.0/16, or an address' });

/** What may be fetched from where, if nobody has pushed it. */
const origins = z.strictObject({
  allow: z.array(urlPrefix).min(1),
  privateNetworks: z.array(network).default([]),
  maxSize: size.default(1024 ** 3),
  timeout: z.number().positive().max(86_400).default(600),
});

function isUrlPrefix(text: string): boolean {
  // A host with a star is a valid URL, and no pattern.
  if (text.includes('*')) return false;
  const href = text.includes('://') ? text : `https://${text}`;
  if (!URL.canParse(href)) return false;
  const { protocol, username, password, search, hash } = new URL(href);
  return /^https?:$/.test(protocol) && `${username}${password}${search}${hash}` === '';
}

function isNetwork(text: string): boolean {
  const [address = '', prefix, ...others] = text.split('/');
  const family = isIP(address);
  if (family === 0 || others.length > 0) return false;
  return prefix === undefined || (/^\d{1,3}$/.test(prefix) && Number(prefix) <= (family === 4 ? 32 : 128));
}

/** The names of the Remote Asset API. */
export const assetCache = tagged('asset-cache', { ...names, fetch: origins.optional() }).refine(hasOnePlace, onePlace);

/** Where BuildStream's references live. */
export type ReferenceCacheConfig = z.infer<typeof referenceCache>;
/** Where the names of assets live. */
export type AssetCacheConfig = z.infer<typeof assetCache>;
/** Where assets may be fetched from. */
export type OriginsConfig = z.infer<typeof origins>;
