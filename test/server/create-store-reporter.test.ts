import assert from 'node:assert/strict';
import { Lifecycle } from '../../src/common/lifecycle.js';
import type { BlobStoreConfig } from '../../src/config/storage-config.js';
import { Digest } from '../../src/digest/digest.js';
import { Composition } from '../../src/server/composition.js';
import { createBlobStore } from '../../src/server/create-blob-store.js';
import { createStoreReporter } from '../../src/server/create-store-reporter.js';
import { RecordingLogger } from '../helpers/recording-logger.js';

describe('createStoreReporter', () => {
  const memory = (node: number, size = 1_000): BlobStoreConfig => ({ type: 'lru-storage', node, size });
  const blobs = ['a', 'bb', 'cccccc'].map((text) => ({
    digest: Digest.of(Buffer.from(text)),
    data: Buffer.from(text),
  }));
  let lifecycle: Lifecycle;
  let composition: Composition;

  beforeEach(() => {
    lifecycle = new Lifecycle();
    composition = new Composition(lifecycle, new RecordingLogger());
  });

  afterEach(() => lifecycle[Symbol.asyncDispose]());

  async function reportOf(config: BlobStoreConfig) {
    const store = await createBlobStore(config, composition);
    await store.writeBatch(blobs);
    return (await createStoreReporter(config, composition))();
  }

  it('tells what each part holds, and adds up those of a split storage', async () => {
    const report = await reportOf({
      type: 'split-storage',
      node: 1,
      small: memory(2),
      large: memory(3),
      threshold: 3,
    });

    assert.deepEqual(report.stats, { blobs: 3, sizeBytes: 9, maxBytes: 2_000 });
    assert.deepEqual(
      report.parts.map(({ role, type, stats }) => [role, type, stats.blobs, stats.sizeBytes]),
      [
        ['small', 'lru-storage', 2, 3],
        ['large', 'lru-storage', 1, 6],
      ],
    );
  });

  it('names the parts of a sharded storage as the configuration does', async () => {
    const shards = [2, 3].map((node) => ({ name: `shard ${node}`, weight: 1, storage: memory(node) }));

    const report = await reportOf({ type: 'sharded-storage', node: 1, shards });

    assert.equal(report.stats.blobs, 3);
    assert.deepEqual(
      report.parts.map(({ role }) => role),
      ['shard 2', 'shard 3'],
    );
  });

  it('lets the durable side speak for a cached storage, and one side for a mirrored one', async () => {
    const cached = await reportOf({ type: 'with-cache-storage', node: 1, cache: memory(2), fallback: memory(3, 77) });
    const mirrored = await reportOf({ type: 'mirrored-storage', node: 4, first: memory(5), second: memory(6) });

    assert.deepEqual(cached.stats, { blobs: 3, sizeBytes: 9, maxBytes: 77 });
    assert.deepEqual(mirrored.stats, { blobs: 3, sizeBytes: 9, maxBytes: 1_000 });
  });

  it('reports a part that cannot be reached with its trouble, and the others as ever', async () => {
    const remote: BlobStoreConfig = {
      type: 'remote-storage',
      node: 3,
      url: 'grpc://127.0.0.1:1',
      instanceName: 'main',
    };
    const config: BlobStoreConfig = { type: 'split-storage', node: 1, small: memory(2), large: remote, threshold: 9 };

    const { stats, parts } = await reportOf(config);

    assert.deepEqual(stats, {});
    assert.equal(parts[0]?.stats.blobs, 3);
    assert.equal(parts[1]?.place, 'grpc://127.0.0.1:1 main');
    assert.match(parts[1].trouble ?? '', /cannot reach grpc:\/\/127\.0\.0\.1:1: connection refused/);
  });
});
