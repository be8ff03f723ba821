import type { ZstdCodec } from '../codec/zstd/zstd-codec.js';
import { digestFunctions } from '../digest/digest-function.js';
import { reapi } from '../proto/index.js';
import type { Instance, InstanceRegistry } from './instance-registry.js';
import { fastCdcParams, maxBatchTotalSizeBytes, priorityRange } from './limits.js';
import { sharedZstd } from './shared-zstd.js';

const priorityCapabilities = { priorities: [priorityRange] };

/** Serves `Capabilities`: what works on each instance, and no more (CAP-1). */
export class CapabilitiesService {
  readonly #registry: InstanceRegistry;
  readonly #zstd: ZstdCodec;

  constructor(registry: InstanceRegistry, zstd = sharedZstd) {
    this.#registry = registry;
    this.#zstd = zstd;
  }

  async getCapabilities({ instanceName }: reapi.GetCapabilitiesRequest): Promise<reapi.ServerCapabilities.$Properties> {
    const instance = this.#registry.get(instanceName);
    const cache = instance.blobs && (await this.#transferCapabilities(instance));
    return {
      ...((instance.blobs ?? instance.actionCache) && {
        cacheCapabilities: { ...cacheCapabilities(instance), ...cache },
      }),
      ...(instance.execution && { executionCapabilities: executionCapabilities() }),
      deprecatedApiVersion: { major: 2, minor: 0 },
      lowApiVersion: { major: 2, minor: 0 },
      highApiVersion: { major: 2, minor: 3 },
    };
  }

  /** How blobs may come and go besides whole and plain. */
  async #transferCapabilities({ isReadOnly = false }: Instance): Promise<reapi.CacheCapabilities.$Properties> {
    const compressors = (await this.#zstd.isAvailable()) ? [reapi.Compressor.Value.ZSTD] : [];
    return {
      supportedCompressors: compressors,
      supportedBatchUpdateCompressors: compressors,
      // Both write blobs.
      ...(!isReadOnly && { splitBlobSupport: true, spliceBlobSupport: true, fastCdc_2020Params: fastCdcParams }),
    };
  }
}

function cacheCapabilities({
  actionCache,
  allowsActionCacheUpdates = false,
  isReadOnly = false,
  maxBlobBytes = 0,
}: Instance): reapi.CacheCapabilities.$Properties {
  return {
    digestFunctions: digestFunctions.map(({ value }) => value),
    actionCacheUpdateCapabilities: {
      updateEnabled: actionCache !== undefined && allowsActionCacheUpdates && !isReadOnly,
    },
    cachePriorityCapabilities: priorityCapabilities,
    maxBatchTotalSizeBytes,
    maxCasBlobSizeBytes: maxBlobBytes,
    symlinkAbsolutePathStrategy: reapi.SymlinkAbsolutePathStrategy.Value.ALLOWED,
  };
}

function executionCapabilities(): reapi.ExecutionCapabilities.$Properties {
  return {
    digestFunction: reapi.DigestFunction.Value.SHA256,
    // RW-9: leases carry no function, so workers must be able to tell it from the length of a hash.
    digestFunctions: digestFunctions.filter((fn) => !fn.isNamedInResources).map(({ value }) => value),
    execEnabled: true,
    executionPriorityCapabilities: priorityCapabilities,
  };
}
