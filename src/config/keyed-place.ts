import { z } from 'zod';
import { redisStorage, s3Storage } from './object-store-config.js';
import { sqlStorage } from './sql-config.js';
import { path } from './values.js';

/** The keys that say where small values live: in a folder or in a store, else in memory. */
export const keyedPlace = {
  path: path.optional(),
  store: z.discriminatedUnion('type', [s3Storage, redisStorage, sqlStorage]).optional(),
};

/** What is wrong where {@link hasOnePlace} is false. */
export const onePlace = { error: 'values are kept in one place: path or store is wanted, not both' };

/** Whether not both keys of {@link keyedPlace} are there. */
export function hasOnePlace(places: { path?: string | undefined; store?: object | undefined }): boolean {
  return places.path === undefined || places.store === undefined;
}
