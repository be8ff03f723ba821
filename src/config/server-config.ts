import { z } from 'zod';
import { actionCaches, isActionCacheTag } from './action-cache-config.js';
import { assetCache, referenceCache } from './asset-config.js';
import { endpoint } from './endpoint-config.js';
import { execution } from './execution-config.js';
import { sharedBuckets } from './shared-buckets.js';
import { sharedIndexes } from './shared-indexes.js';
import { blobStore } from './storage-config.js';
import { tagged } from './tagged.js';
import { eachNameOnce, size } from './values.js';

const blobService = { storage: blobStore, readOnly: z.boolean().optional() };

const service = z.discriminatedUnion('type', [
  tagged('cas', blobService),
  tagged('bytestream', blobService),
  ...actionCaches,
  assetCache,
  referenceCache,
  execution,
]);

type Service = z.infer<typeof service>;

const services = z
  .array(service)
  .min(1)
  .superRefine((all, context) => {
    for (const [index, each] of all.entries()) {
      const isTwice = all.slice(0, index).some((other) => kindOf(other) === kindOf(each));
      if (isTwice) context.addIssue({ code: 'custom', path: [index], message: `an instance has one !${each.type}` });
    }
    const both = all.filter(isBlobService);
    if (new Set(both.map(({ storage }) => storage.node)).size > 1) {
      context.addIssue({
        code: 'custom',
        message: '!cas and !bytestream want the same storage: name one anchor in both',
      });
    }
    if (new Set(both.map(({ readOnly = false }) => readOnly)).size > 1) {
      context.addIssue({ code: 'custom', message: '!cas and !bytestream are read-only both, or neither' });
    }
  });

function isBlobService(service: Service): service is Extract<Service, { type: 'cas' | 'bytestream' }> {
  return service.type === 'cas' || service.type === 'bytestream';
}

/** Two tags that stand for one service. */
function kindOf({ type }: Service): string {
  return isActionCacheTag(type) ? 'action-cache' : type;
}

/** Lists of anchors; what stands in them counts where it is used. */
const anchors = z.unknown().optional();

const instance = z
  .strictObject({
    name: z.string(),
    description: z.string().optional(),
    admin: z.boolean().default(false),
    readOnly: z.boolean().default(false),
    maxBlobSize: size.refine((bytes) => bytes > 0, 'at least 1 byte is wanted').optional(),
    storages: anchors,
    caches: anchors,
    actionCaches: anchors,
    dataStores: anchors,
    services,
  })
  .refine((value) => !isReadOnly(value) || !executes(value), {
    error:
      'a read-only instance cannot execute, for its bots could not store what they make: give the storage another, read-only name',
  });

interface InstanceParts {
  readonly readOnly: boolean;
  readonly services: readonly Service[];
}

/** Whether clients of an instance may only read: it says so, or its blob services do, as in BuildGrid's files. */
export function isReadOnly({ readOnly, services: all }: InstanceParts): boolean {
  return readOnly || all.some((each) => isBlobService(each) && each.readOnly === true);
}

/** Whether an instance executes with a CAS of its own. */
function executes({ services: all }: InstanceParts): boolean {
  return all.some(isBlobService) && all.some(({ type }) => type === 'execution');
}

const instances = z.array(instance).min(1).superRefine(eachNameOnce);

/** The name that stands for every other one. */
export const anyInstanceName = '*';

/** The schema of a server's configuration file, in the form that `YamlTree` gives it. */
export const serverConfigSchema = z
  .strictObject({
    description: z.string().optional(),
    server: z.array(endpoint).min(1),
    instances,
    threadPoolSize: z.int().optional(),
  })
  .superRefine((config, context) => {
    for (const { path, message } of [...sharedBuckets(config), ...sharedIndexes(config)]) {
      context.addIssue({ code: 'custom', path: [...path], message });
    }
  });

/** A server as its file describes it: where it listens, and what each instance name stands for. */
export type ServerConfig = z.infer<typeof serverConfigSchema>;
/** An instance; {@link anyInstanceName} is every name that no other instance has. */
export type InstanceConfig = ServerConfig['instances'][number];
