import { policyOf } from '../config/action-cache-config.js';
import type { HttpCacheConfig } from '../config/endpoint-config.js';
import { HttpCache } from '../http/http-cache.js';
import type { HttpHandler } from '../http/http-exchange.js';
import type { Composition } from './composition.js';
import { createActionCache } from './create-action-cache.js';
import { createBlobStore } from './create-blob-store.js';
import { createKeyedStore } from './create-keyed-store.js';

/** Builds what answers the requests of an HTTP cache. */
export async function createHttpCache(config: HttpCacheConfig, composition: Composition): Promise<HttpHandler> {
  const { storage, actionCache, maxSize } = config;
  const allowUpdates = config.allowUpdates && !config.readOnly;
  const cache = new HttpCache({
    blobs: await createBlobStore(storage, composition),
    keys: await createKeyedStore(config, composition),
    ...(actionCache && { actionCache: await createActionCache(actionCache, composition) }),
    allowsBlobs: !config.readOnly,
    allowsUpdates: allowUpdates,
    allowsResultUpdates: allowUpdates && actionCache !== undefined && policyOf(actionCache).allowUpdates,
    maxValueBytes: maxSize,
  });
  return (request) => cache.handle(request);
}
