import { z } from 'zod';
import { StatusError } from '../common/status-error.js';
import { sharedBuckets } from './shared-buckets.js';
import { parseSize } from './size.js';

const knownTags = new Set<string>();

/** What every tagged map has: the tag's name, and an identity that stays the same for all aliases of an anchor. */
function tagged<Type extends string, Shape extends z.ZodRawShape>(type: Type, shape: Shape) {
  knownTags.add(type);
  return z.strictObject({ type: z.literal(type), node: z.int(), ...shape });
}

const size = z.union([z.string(), z.int()]).transform((text, context) => {
  try {
    return parseSize(text);
  } catch (reason) {
    context.addIssue(StatusError.from(reason).message);
    return z.NEVER;
  }
});

const path = z.string().min(1);

/** Port 0 is a free one. */
const port = z.int().min(0).max(65_535);

const clientCredentials = z.strictObject({
  tlsClientKey: path.optional(),
  tlsClientCert: path.optional(),
  tlsServerCert: path.optional(),
});

const remote = { url: z.string().min(1), instanceName: z.string(), credentials: clientCredentials.optional() };

const text = z.string().min(1);

const bucket = text.regex(/^(?:[\w.-]|\{digest(?:\[\d{1,3}\])?\})+$/, {
  error: 'a bucket is wanted, or a template such as bucket-{digest[0]}{digest[1]}',
});

const s3 = {
  endpoint: z.url({ protocol: /^https?$/, error: 'a URL is wanted, such as https://s3.example.org' }).optional(),
  region: text.optional(),
  accessKey: text.optional(),
  secretKey: text.optional(),
  pathStyle: z.boolean().optional(),
};

const bothKeys = { error: 'access-key and secret-key are wanted both, or neither' };

function hasBothKeysOrNone(keys: { accessKey?: string | undefined; secretKey?: string | undefined }): boolean {
  return (keys.accessKey === undefined) === (keys.secretKey === undefined);
}

const s3Storage = tagged('s3-storage', { bucket, ...s3 }).refine(hasBothKeysOrNone, bothKeys);

const redisStorage = tagged('redis-storage', {
  host: text,
  // A text is what !expand-path makes of an environment variable.
  port: z.union([z.int(), z.string().regex(/^\d+$/).transform(Number)]).pipe(z.int().min(1).max(65_535)),
  password: text.optional(),
  db: z.int().min(0).optional(),
  ttl: z.int().positive().optional(),
});

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

const blobStore = z.discriminatedUnion('type', [
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
]);

const cachePolicy = { allowUpdates: z.boolean().default(true), cacheFailedActions: z.boolean().default(false) };

const onePlace = { error: 'results are kept in one place: path or store is wanted, not both' };

function hasOnePlace(places: { path?: string | undefined; store?: object | undefined }): boolean {
  return places.path === undefined || places.store === undefined;
}

const storedActionCache = tagged('action-cache', {
  storage: blobStore,
  maxCachedRefs: z.int().min(1, 'at least 1 is wanted: a cache of no results would keep nothing').optional(),
  path: path.optional(),
  store: z.discriminatedUnion('type', [s3Storage, redisStorage]).optional(),
  ...cachePolicy,
}).refine(hasOnePlace, onePlace);

const s3ActionCache = tagged('s3action-cache', {
  storage: blobStore,
  bucket: text.regex(/^[\w.-]+$/, { error: 'the name of a bucket is wanted' }),
  ...s3,
  ...cachePolicy,
}).refine(hasBothKeysOrNone, bothKeys);

const actionCaches = [storedActionCache, tagged('remote-action-cache', remote), s3ActionCache] as const;

const actionCache = z.discriminatedUnion('type', actionCaches);

const dataStore = z.discriminatedUnion('type', [
  tagged('memory-data-store', { storage: blobStore.optional() }),
  tagged('sql-data-store', {
    storage: blobStore.optional(),
    connectionString: z.string().min(1),
    automigrate: z.boolean().default(true),
  }),
]);

const execution = tagged('execution', {
  storage: blobStore,
  actionCache: actionCache.optional(),
  actionBrowserUrl: z.url().optional(),
  dataStore: dataStore.optional(),
  propertyKeys: z.array(z.string().min(1)).default([]),
  botSessionKeepaliveTimeout: z.number().positive().optional(),
  maxExecutionTimeout: z.number().positive().optional(),
  maxQueueTime: z.number().min(0).optional(),
});

const service = z.discriminatedUnion('type', [
  tagged('cas', { storage: blobStore }),
  tagged('bytestream', { storage: blobStore }),
  ...actionCaches,
  execution,
]);

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
  path: path.optional(),
  store: z.discriminatedUnion('type', [s3Storage, redisStorage]).optional(),
  allowUpdates: z.boolean().default(true),
  maxSize: size.default(64 * 1024 * 1024),
}).refine(hasOnePlace, onePlace);

type Service = z.infer<typeof service>;

const services = z
  .array(service)
  .min(1)
  .superRefine((all, context) => {
    for (const [index, each] of all.entries()) {
      const isTwice = all.slice(0, index).some((other) => kindOf(other) === kindOf(each));
      if (isTwice) context.addIssue({ code: 'custom', path: [index], message: `an instance has one !${each.type}` });
    }
    const nodes = all.flatMap((each) => (each.type === 'cas' || each.type === 'bytestream' ? [each.storage.node] : []));
    if (new Set(nodes).size > 1) {
      context.addIssue({
        code: 'custom',
        message: '!cas and !bytestream want the same storage: name one anchor in both',
      });
    }
  });

/** Two tags that stand for one service. */
function kindOf({ type }: Service): string {
  return type === 'remote-action-cache' || type === 's3action-cache' ? 'action-cache' : type;
}

/** Lists of anchors; what stands in them counts where it is used. */
const anchors = z.unknown().optional();

const instance = z.strictObject({
  name: z.string(),
  description: z.string().optional(),
  storages: anchors,
  caches: anchors,
  actionCaches: anchors,
  dataStores: anchors,
  services,
});

const instances = z.array(instance).min(1).superRefine(eachNameOnce);

function eachNameOnce(all: readonly { readonly name: string }[], context: z.RefinementCtx): void {
  for (const [index, { name }] of all.entries()) {
    if (all.findIndex((other) => other.name === name) === index) continue;
    context.addIssue({ code: 'custom', path: [index, 'name'], message: `${JSON.stringify(name)} is there already` });
  }
}

/** Tags whose map describes an object. */
export const configTags: ReadonlySet<string> = knownTags;

/** The name that stands for every other one. */
export const anyInstanceName = '*';

/** The schema of a server's configuration file, in the form that `YamlTree` gives it. */
export const serverConfigSchema = z
  .strictObject({
    description: z.string().optional(),
    server: z.array(z.discriminatedUnion('type', [channel, httpCache])).min(1),
    instances,
    threadPoolSize: z.int().optional(),
  })
  .superRefine((config, context) => {
    for (const { path, message } of sharedBuckets(config)) {
      context.addIssue({ code: 'custom', path: [...path], message });
    }
  });

/** A server as its file describes it: where it listens, and what each instance name stands for. */
export type ServerConfig = z.infer<typeof serverConfigSchema>;
/** An endpoint for gRPC. */
export type ChannelConfig = Extract<ServerConfig['server'][number], { type: 'channel' }>;
/** An endpoint for tools that speak HTTP. */
export type HttpCacheConfig = Extract<ServerConfig['server'][number], { type: 'http-cache' }>;
/** An instance; {@link anyInstanceName} is every name that no other instance has. */
export type InstanceConfig = ServerConfig['instances'][number];
/** Where blobs live. Recursive: some storages are composed of others. */
export type BlobStoreConfig =
  | SimpleStorageConfig
  | Composed<'with-cache-storage', { readonly cache: BlobStoreConfig; readonly fallback: BlobStoreConfig }>
  | Composed<
      'split-storage',
      { readonly small: BlobStoreConfig; readonly large: BlobStoreConfig; readonly threshold: number }
    >
  | Composed<'mirrored-storage', { readonly first: BlobStoreConfig; readonly second: BlobStoreConfig }>
  | Composed<'sharded-storage', { readonly shards: ShardConfig[] }>;
/** A storage of which no other is a part. */
export type SimpleStorageConfig = z.infer<(typeof simpleStorages)[number]>;
/** A storage that takes a share of the blobs. */
export interface ShardConfig {
  readonly name: string;
  readonly weight: number;
  readonly storage: BlobStoreConfig;
}
type Composed<Type extends string, Parts> = { readonly type: Type; readonly node: number } & Parts;
/** Where action results live. */
export type ActionCacheConfig = z.infer<typeof actionCache>;
/** Where jobs live. */
export type DataStoreConfig = z.infer<typeof dataStore>;
/** A scheduler with its stores. */
export type ExecutionConfig = z.infer<typeof execution>;
/** Another server's REAPI endpoint. */
export type RemoteConfig = Extract<BlobStoreConfig, { type: 'remote-storage' }>;
/** An S3 service. */
export type S3Config = Omit<Extract<BlobStoreConfig, { type: 's3-storage' }>, 'type' | 'node'>;
/** A Redis server. */
export type RedisConfig = Extract<BlobStoreConfig, { type: 'redis-storage' }>;
