import { z } from 'zod';
import { redisStorage, s3Storage } from './object-store-config.js';
import { remote } from './remote-config.js';
import { sqlIndex } from './sql-config.js';
import { tagged } from './tagged.js';
import { eachNameOnce, path, size, text } from './values.js';

const simpleStorages = [
  tagged('lru-storage', { size }),
  tagged('disk-storage', { path, size: size.optional() }),
  tagged('remote-storage', remote),
  s3Storage,
  redisStorage,
] as const;

/** Any storage, also one that is composed of others. */
const nested: z.ZodType<BlobStoreConfig> = z.lazy(() => blobStore);

const shard = z.strictObject({ name: text, weight: z.number().positive().default(1), storage: nested });

const shards = z.array(shard).min(1).superRefine(eachNameOnce);

/** Any storage of blobs. */
export const blobStore = z.discriminatedUnion('type', [
  ...simpleStorages,
  tagged('with-cache-storage', { cache: nested, fallback: nested }),
  tagged('split-storage', { small: nested, large: nested, threshold: size.default(64 * 1024) }),
  tagged('mirrored-storage', { first: nested, second: nested }).refine(
    (value) => value.first.node !== value.second.node,
    {
      error: 'first and second want two storages, not one anchor',
    },
  ),
  tagged('sharded-storage', { shards }),
  tagged('sql-index', { storage: nested, ...sqlIndex }),
]);

/** Where blobs live. Recursive: some storages are composed of others. */
export type BlobStoreConfig =
  | SimpleStorageConfig
  | Composed<'with-cache-storage', { readonly cache: BlobStoreConfig; readonly fallback: BlobStoreConfig }>
  | Composed<
      'split-storage',
      { readonly small: BlobStoreConfig; readonly large: BlobStoreConfig; readonly threshold: number }
    >
  | Composed<'mirrored-storage', { readonly first: BlobStoreConfig; readonly second: BlobStoreConfig }>
  | Composed<'sharded-storage', { readonly shards: ShardConfig[] }>
  | SqlIndexConfig;
/** A storage of which no other is a part. */
export type SimpleStorageConfig = z.infer<(typeof simpleStorages)[number]>;
/** A storage whose blobs are listed in a database. */
export type SqlIndexConfig = Composed<
  'sql-index',
  { readonly storage: BlobStoreConfig } & z.infer<z.ZodObject<typeof sqlIndex>>
>;
/** A storage that takes a share of the blobs. */
export interface ShardConfig {
  readonly name: string;
  readonly weight: number;
  readonly storage: BlobStoreConfig;
}
type Composed<Type extends string, Parts> = { readonly type: Type; readonly node: number } & Parts;
/** Another server's REAPI endpoint. */
export type RemoteConfig = Extract<BlobStoreConfig, { type: 'remote-storage' }>;
/** An S3 service. */
export type S3Config = Omit<Extract<BlobStoreConfig, { type: 's3-storage' }>, 'type' | 'node'>;
/** A Redis server. */
export type RedisConfig = Extract<BlobStoreConfig, { type: 'redis-storage' }>;
