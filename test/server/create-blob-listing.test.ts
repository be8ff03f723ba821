import assert from 'node:assert/strict';
import { join } from 'node:path';
import { Code } from '../../src/common/code.js';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { silentLogger } from '../../src/common/logger.js';
import type { BlobStoreConfig } from '../../src/config/storage-config.js';
import { Digest } from '../../src/digest/digest.js';
import { Composition } from '../../src/server/composition.js';
import { createBlobListing } from '../../src/server/create-blob-listing.js';
import { createBlobStore } from '../../src/server/create-blob-store.js';
import { chunks } from '../helpers/chunks.js';
import { hasCode } from '../helpers/has-code.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

const memory: BlobStoreConfig = { type: 'lru-storage', node: 99, size: 1_000 };

describe('createBlobListing', () => {
  let folder: Awaited<ReturnType<typeof temporaryDirectory>>;

  beforeEach(async () => {
    folder = await temporaryDirectory();
  });

  afterEach(() => folder[Symbol.asyncDispose]());

  const disk = (node: number): BlobStoreConfig => ({
    type: 'disk-storage',
    node,
    path: join(folder.path, String(node)),
    size: 10_000_000,
  });

  async function fill(config: BlobStoreConfig, ...texts: string[]): Promise<void> {
    await using lifecycle = new Lifecycle();
    const store = await createBlobStore(config, new Composition(lifecycle, silentLogger));
    for (const text of texts) await store.write(Digest.of(Buffer.from(text)), chunks(text));
  }

  async function list(config: BlobStoreConfig): Promise<readonly string[]> {
    await using lifecycle = new Lifecycle();
    const found = new Set<string>();
    const listing = await createBlobListing(config, new Composition(lifecycle, silentLogger));
    for await (const { digest, modifiedAtMs } of listing()) {
      assert.ok(Math.abs(modifiedAtMs - Date.now()) < 60_000);
      found.add(digest.key);
    }
    return [...found].sort();
  }

  const keysOf = (...texts: string[]): string[] => texts.map((text) => Digest.of(Buffer.from(text)).key).sort();

  it('goes through a folder', async () => {
    await fill(disk(1), 'one', 'two');

    assert.deepEqual(await list(disk(1)), keysOf('one', 'two'));
  });

  for (const [what, compose] of [
    ['split', (small, large) => ({ type: 'split-storage', node: 3, small, large, threshold: 3 })],
    ['mirrored', (first, second) => ({ type: 'mirrored-storage', node: 3, first, second })],
    [
      'sharded',
      (one, two) => ({
        type: 'sharded-storage',
        node: 3,
        shards: [one, two].map((storage, index) => ({ name: String(index), weight: 1, storage })),
      }),
    ],
  ] as [string, (one: BlobStoreConfig, two: BlobStoreConfig) => BlobStoreConfig][]) {
    it(`goes through both parts of a ${what} storage`, async () => {
      await fill(disk(1), 'one');
      await fill(disk(2), 'two', 'three');

      assert.deepEqual(await list(compose(disk(1), disk(2))), keysOf('one', 'two', 'three'));
    });
  }

  it('goes through what is durable of a storage with a cache', async () => {
    await fill(disk(1), 'one');

    const config: BlobStoreConfig = { type: 'with-cache-storage', node: 3, cache: memory, fallback: disk(1) };

    assert.deepEqual(await list(config), keysOf('one'));
  });

  it('refuses what cannot be gone through', async () => {
    await assert.rejects(list(memory), hasCode(Code.FailedPrecondition));
  });
});
