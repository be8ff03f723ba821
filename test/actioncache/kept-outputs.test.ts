import assert from 'node:assert/strict';
import type { ActionCache } from '../../src/actioncache/action-cache.js';
import { CompletenessCheckingActionCache } from '../../src/actioncache/completeness-checking-action-cache.js';
import { KeyedActionCache } from '../../src/actioncache/keyed-action-cache.js';
import { DiskBlobStore } from '../../src/blobstore/backends/disk-blob-store.js';
import type { BlobStore } from '../../src/blobstore/blob-store.js';
import { VerifyingBlobStore } from '../../src/blobstore/decorators/verifying-blob-store.js';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { Digest } from '../../src/digest/digest.js';
import { MemoryKeyedStore } from '../../src/keyedstore/backends/memory-keyed-store.js';
import { reapi } from '../../src/proto/index.js';
import { FakeClock } from '../helpers/fake-clock.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

const megabyte = 1_000_000;
const fileBytes = 100_000;

describe('The outputs of an action result on a disk that is too small', () => {
  const action = Digest.of(Buffer.from('an action'));
  let lifecycle: Lifecycle;
  let clock: FakeClock;
  let blobs: BlobStore;
  let cache: ActionCache;
  let outputs: readonly Digest[];

  beforeEach(async () => {
    lifecycle = new Lifecycle();
    clock = new FakeClock();
    const { path } = lifecycle.use(await temporaryDirectory());
    const disk = lifecycle.use(await DiskBlobStore.open({ path, maxBytes: 2 * megabyte, clock }));
    blobs = new VerifyingBlobStore(disk);
    cache = new CompletenessCheckingActionCache(new KeyedActionCache(new MemoryKeyedStore()), blobs);
    outputs = await storeResult();
  });

  afterEach(() => lifecycle[Symbol.asyncDispose]());

  async function store(data: Uint8Array): Promise<Digest> {
    const digest = Digest.of(data);
    const [failure] = await blobs.writeBatch([{ digest, data }]);
    if (failure) throw failure;
    return digest;
  }

  const file = (name: string): Promise<Digest> => store(Buffer.alloc(fileBytes, name));

  /** A result with files, a Tree that has some, a root Directory with another below it, and stdout. */
  async function storeResult(): Promise<readonly Digest[]> {
    const files = await Promise.all(['plain', 'in tree', 'in child', 'deep', 'stdout'].map(file));
    const [plain, inTree, inChild, deep, stdout] = files as [Digest, Digest, Digest, Digest, Digest];
    const holding = (name: string, digest: Digest): reapi.Directory.$Properties => ({
      files: [{ name, digest: digest.toProto() }],
    });
    const child = holding('c', inChild);
    const childDigest = Digest.of(reapi.Directory.encode(child).finish()).toProto();
    const root = { ...holding('f', inTree), directories: [{ name: 'd', digest: childDigest }] };
    const tree = await store(reapi.Tree.encode({ root, children: [child] }).finish());
    const below = await store(reapi.Directory.encode(holding('e', deep)).finish());
    const top = { directories: [{ name: 'below', digest: below.toProto() }] };
    const rootDirectory = await store(reapi.Directory.encode(top).finish());
    await cache.update(
      action,
      reapi.ActionResult.create({
        outputFiles: [{ path: 'plain', digest: plain.toProto() }],
        outputDirectories: [
          { path: 'tree', treeDigest: tree.toProto() },
          { path: 'directory', rootDirectoryDigest: rootDirectory.toProto() },
        ],
        stdoutDigest: stdout.toProto(),
      }),
    );
    return [...files, tree, below, rootDirectory];
  }

  /** Uploads several times what there is room for. */
  async function flood(): Promise<void> {
    for (let index = 0; index < 60; index += 1) await file(`flood ${index}`);
  }

  it('are evicted when nobody has asked for it', async () => {
    await flood();

    assert.equal(await cache.get(action), undefined);
  });

  it('all stay for half an hour after a hit, whatever is uploaded (AC-2, CAS-2, D4)', async () => {
    assert.ok(await cache.get(action));

    await flood();

    assert.deepEqual((await blobs.findMissing(outputs)).map(String), []);
    assert.ok(await cache.get(action));
  });

  it('can go again when that time is over', async () => {
    assert.ok(await cache.get(action));
    clock.advance(31 * 60_000);

    await flood();

    assert.equal(await cache.get(action), undefined);
  });
});
