import { z } from 'zod';
import { tagged } from './tagged.js';
import { text } from './values.js';

const bucket = text.regex(/^(?:[\w.-]|\{digest(?:\[\d{1,3}\])?\})+$/, {
  error: 'a bucket is wanted, or a template such as bucket-{digest[0]}{digest[1]}',
});

/** The keys that say where an S3 service is and who asks. */
export const s3 = {
  endpoint: z.url({ protocol: /^https?$/, error: 'a URL is wanted, such as https://s3.example.org' }).optional(),
  region: text.optional(),
  accessKey: text.optional(),
  secretKey: text.optional(),
  pathStyle: z.boolean().optional(),
};

/** What is wrong where {@link hasBothKeysOrNone} is false. */
export const bothKeys = { error: 'access-key and secret-key are wanted both, or neither' };

/** Whether a key for S3 comes with its secret. */
export function hasBothKeysOrNone(keys: { accessKey?: string | undefined; secretKey?: string | undefined }): boolean {
  return (keys.accessKey === undefined) === (keys.secretKey === undefined);
}

/** A bucket. */
export const s3Storage = tagged('s3-storage', { bucket, ...s3 }).refine(hasBothKeysOrNone, bothKeys);

/** A database of a Redis server. */
export const redisStorage = tagged('redis-storage', {
  host: text,
  // A text is what !expand-path makes of an environment variable.
  port: z.union([z.int(), z.string().regex(/^\d+$/).transform(Number)]).pipe(z.int().min(1).max(65_535)),
  password: text.optional(),
  db: z.int().min(0).optional(),
  ttl: z.int().positive().optional(),
});
