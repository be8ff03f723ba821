import { z } from 'zod';
import { actionCache } from './action-cache-config.js';
import { hasOnePlace, keyedPlace, onePlace } from './keyed-place.js';
import { blobStore } from './storage-config.js';
import { tagged } from './tagged.js';
import { path, port, size } from './values.js';

const channel = tagged('channel', {
  port,
  address: z.string().min(1).optional(),
  insecureMode: z.boolean().default(true),
  credentials: z.strictObject({ tlsServerKey: path, tlsServerCert: path, tlsClientCerts: path.optional() }).optional(),
}).refine((value) => value.insecureMode || value.credentials !== undefined, {
  error: 'credentials are wanted where insecure-mode is false',
});

const httpCache = tagged('http-cache', {
  port,
  address: z.string().min(1).default('localhost'),
  storage: blobStore,
  actionCache: actionCache.optional(),
  ...keyedPlace,
  allowUpdates: z.boolean().default(true),
  readOnly: z.boolean().default(false),
  maxSize: size.default(64 * 1024 * 1024),
}).refine(hasOnePlace, onePlace);

/** Where a server listens. */
export const endpoint = z.discriminatedUnion('type', [channel, httpCache]);

/** An endpoint for gRPC. */
export type ChannelConfig = z.infer<typeof channel>;
/** An endpoint for tools that speak HTTP. */
export type HttpCacheConfig = z.infer<typeof httpCache>;
