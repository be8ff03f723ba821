import assert from 'node:assert/strict';
import type { ActionCache } from '../../src/actioncache/action-cache.js';
import { KeyedActionCache } from '../../src/actioncache/keyed-action-cache.js';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import { Code } from '../../src/common/code.js';
import { digestFunctions } from '../../src/digest/digest-function.js';
import { MemoryKeyedStore } from '../../src/keyedstore/backends/memory-keyed-store.js';
import { reapi } from '../../src/proto/index.js';
import { CapabilitiesService } from '../../src/services/capabilities-service.js';
import { type Instance, InstanceRegistry } from '../../src/services/instance-registry.js';
import { hasCode } from '../helpers/has-code.js';

describe('CapabilitiesService', () => {
  const blobs = new MemoryBlobStore();
  const actionCache: ActionCache = new KeyedActionCache(new MemoryKeyedStore());
  // What the scheduler does is not asked for here, only that there is one.
  const execution = { blobs } as unknown as NonNullable<Instance['execution']>;
  const ask = async (instance: Instance): Promise<reapi.ServerCapabilities> => {
    const service = new CapabilitiesService(new InstanceRegistry(new Map([['it', instance]])));
    const answer = await service.getCapabilities(reapi.GetCapabilitiesRequest.create({ instanceName: 'it' }));
    return reapi.ServerCapabilities.decode(reapi.ServerCapabilities.encode(answer).finish());
  };

  it('announces what the cache can do (CAP-1)', async () => {
    const { cacheCapabilities: cache } = await ask({ blobs, actionCache, allowsActionCacheUpdates: true });

    assert.deepEqual(
      cache?.digestFunctions,
      digestFunctions.map(({ value }) => value),
    );
    assert.equal(cache.digestFunctions[0], reapi.DigestFunction.Value.SHA256);
    assert.equal(cache.actionCacheUpdateCapabilities?.updateEnabled, true);
    assert.equal(cache.maxBatchTotalSizeBytes, 4 * 1024 * 1024 - 64 * 1024);
    assert.equal(cache.symlinkAbsolutePathStrategy, reapi.SymlinkAbsolutePathStrategy.Value.ALLOWED);
    assert.ok(!cache.maxCasBlobSizeBytes);
  });

  it('announces how blobs may travel, where there are any (CAP-1, CAS-15)', async () => {
    const { cacheCapabilities: cache } = await ask({ blobs });
    const { cacheCapabilities: withoutBlobs } = await ask({ actionCache });

    assert.deepEqual(cache?.supportedCompressors, [reapi.Compressor.Value.ZSTD]);
    assert.deepEqual(cache.supportedBatchUpdateCompressors, [reapi.Compressor.Value.ZSTD]);
    assert.ok(cache.splitBlobSupport && cache.spliceBlobSupport);
    assert.deepEqual(cache.fastCdc_2020Params?.avgChunkSizeBytes, 512 * 1024);
    assert.ok(!cache.fastCdc_2020Params.seed && !cache.repMaxCdcParams);
    assert.deepEqual(withoutBlobs?.supportedCompressors ?? [], []);
    assert.ok(!withoutBlobs?.splitBlobSupport && !withoutBlobs?.fastCdc_2020Params);
  });

  it('announces execution with SHA-256 in the old field, and functions that a hash tells apart (CAP-1, RW-9)', async () => {
    const { executionCapabilities } = await ask({ blobs, actionCache, execution });

    assert.equal(executionCapabilities?.execEnabled, true);
    assert.equal(executionCapabilities.digestFunction, reapi.DigestFunction.Value.SHA256);
    assert.ok(executionCapabilities.digestFunctions?.includes(reapi.DigestFunction.Value.SHA256));
    const functions = new Set<number>(executionCapabilities.digestFunctions);
    const lengths = digestFunctions.filter(({ value }) => functions.has(value)).map(({ hexLength }) => hexLength);
    assert.equal(new Set(lengths).size, lengths.length);
  });

  it('gives priority ranges in which any priority of the wire lies, or Bazel refuses to send one (CAP-1)', async () => {
    const { cacheCapabilities, executionCapabilities } = await ask({ blobs, execution });

    for (const capabilities of [
      cacheCapabilities?.cachePriorityCapabilities,
      executionCapabilities?.executionPriorityCapabilities,
    ]) {
      const [range] = capabilities?.priorities ?? [];
      assert.ok(range && (range.minPriority ?? 0) <= -100 && (range.maxPriority ?? 0) >= 100);
    }
  });

  it('speaks REAPI 2.0 to 2.3 (CAP-2)', async () => {
    const { deprecatedApiVersion, lowApiVersion, highApiVersion } = await ask({ blobs });

    assert.deepEqual([deprecatedApiVersion?.major, deprecatedApiVersion?.minor], [2, 0]);
    assert.deepEqual([lowApiVersion?.major, lowApiVersion?.minor], [2, 0]);
    assert.deepEqual([highApiVersion?.major, highApiVersion?.minor], [2, 3]);
  });

  it('leaves out the half that is not served (CAP-1)', async () => {
    const cacheOnly = await ask({ blobs, actionCache });
    const executionOnly = await ask({ execution });

    assert.ok(cacheOnly.cacheCapabilities && !cacheOnly.executionCapabilities);
    assert.ok(executionOnly.executionCapabilities && !executionOnly.cacheCapabilities);
  });

  it('says that updates are off where they are, and where there is no action cache (AC-5)', async () => {
    for (const instance of [
      { blobs, actionCache },
      { blobs, allowsActionCacheUpdates: true },
    ]) {
      const { cacheCapabilities } = await ask(instance);
      assert.ok(!cacheCapabilities?.actionCacheUpdateCapabilities?.updateEnabled);
    }
  });

  it('refuses an unknown instance (INST-2)', async () => {
    const service = new CapabilitiesService(new InstanceRegistry(new Map()));

    await assert.rejects(
      service.getCapabilities(reapi.GetCapabilitiesRequest.create({ instanceName: 'x' })),
      hasCode(Code.InvalidArgument),
    );
  });
});
