import { z } from 'zod';
import { actionCaches, isActionCacheTag } from './action-cache-config.js';
import { assetCache, referenceCache } from './asset-config.js';
import { endpoint } from './endpoint-config.js';
import { execution } from './execution-config.js';
import { sharedBuckets } from './shared-buckets.js';
import { blobStore } from './storage-config.js';
import { tagged } from './tagged.js';
import { eachNameOnce } from './values.js';

const service = z.discriminatedUnion('type', [
  tagged('cas', { storage: blobStore }),
  tagged('bytestream', { storage: blobStore }),
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
  return isActionCacheTag(type) ? 'action-cache' : type;
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
    for (const { path, message } of sharedBuckets(config)) {
      context.addIssue({ code: 'custom', path: [...path], message });
    }
  });

/** A server as its file describes it: where it listens, and what each instance name stands for. */
export type ServerConfig = z.infer<typeof serverConfigSchema>;
/** An instance; {@link anyInstanceName} is every name that no other instance has. */
export type InstanceConfig = ServerConfig['instances'][number];
