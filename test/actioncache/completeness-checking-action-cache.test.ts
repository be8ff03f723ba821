import assert from 'node:assert/strict';
import type { ActionCache } from '../../src/actioncache/action-cache.js';
import { CompletenessCheckingActionCache } from '../../src/actioncache/completeness-checking-action-cache.js';
import { KeyedActionCache } from '../../src/actioncache/keyed-action-cache.js';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import { VerifyingBlobStore } from '../../src/blobstore/decorators/verifying-blob-store.js';
import type { BlobStore } from '../../src/blobstore/blob-store.js';
import { readBlob } from '../../src/blobstore/read-blob.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import { MemoryKeyedStore } from '../../src/keyedstore/backends/memory-keyed-store.js';
import { reapi } from '../../src/proto/index.js';
import { hasCode } from '../helpers/has-code.js';
import { describeActionCache } from './contract/action-cache.js';

const newStore = (): BlobStore => new VerifyingBlobStore(new MemoryBlobStore());

describeActionCache(
  'CompletenessCheckingActionCache',
  () => new CompletenessCheckingActionCache(new KeyedActionCache(new MemoryKeyedStore()), newStore()),
);

describe('CompletenessCheckingActionCache', () => {
  const action = Digest.of(Buffer.from('an action'));
  let blobs: BlobStore;
  let inner: ActionCache;
  let cache: ActionCache;

  beforeEach(() => {
    blobs = newStore();
    inner = new KeyedActionCache(new MemoryKeyedStore());
    cache = new CompletenessCheckingActionCache(inner, blobs);
  });

  const put = async (data: Uint8Array | string): Promise<Digest> => {
    const bytes = Buffer.from(data);
    const digest = Digest.of(bytes);
    const [failure] = await blobs.writeBatch([{ digest, data: bytes }]);
    assert.equal(failure, undefined);
    return digest;
  };
  const store = (result: reapi.ActionResult.$Properties): Promise<reapi.ActionResult> =>
    cache.update(action, reapi.ActionResult.create(result));
  const isMiss = async (): Promise<void> => {
    assert.equal(await cache.get(action), undefined);
    assert.equal(await inner.get(action), undefined, 'the entry is dropped');
  };

  it('answers a result whose outputs are all there', async () => {
    const digest = (await put('output')).toProto();
    await store({ outputFiles: [{ path: 'out/file', digest }], stdoutDigest: digest, stderrDigest: digest });

    assert.equal((await cache.get(action))?.outputFiles[0]?.path, 'out/file');
  });

  for (const [what, refer] of [
    ['an output file', (digest) => ({ outputFiles: [{ path: 'file', digest }] })],
    ['stdout', (stdoutDigest) => ({ stdoutDigest })],
    ['stderr', (stderrDigest) => ({ stderrDigest })],
  ] as const satisfies readonly (readonly [
    string,
    (digest: { hash: string; sizeBytes: number }) => reapi.ActionResult.$Properties,
  ])[]) {
    it(`misses, and drops the entry, once ${what} has gone (AC-2, D5)`, async () => {
      const digest = await put('gone later');
      await store(refer(digest.toProto()));
      assert.ok(await cache.get(action));

      await blobs.delete([digest]);

      await isMiss();
    });
  }

  it('does not ask for what was never uploaded: empty outputs are always there (DIG-6)', async () => {
    await store({ outputFiles: [{ path: 'empty', digest: Digest.empty().toProto() }] });

    assert.ok(await cache.get(action));
  });

  describe('with a Tree', () => {
    let rootFile: Digest;
    let deepFile: Digest;
    let tree: Digest;

    beforeEach(async () => {
      [rootFile, deepFile] = [await put('at the root'), await put('deep down')];
      const child = { files: [{ name: 'deep', digest: deepFile.toProto() }] };
      const root = {
        files: [{ name: 'file', digest: rootFile.toProto() }],
        directories: [{ name: 'dir', digest: Digest.of(reapi.Directory.encode(child).finish()).toProto() }],
      };
      tree = await put(reapi.Tree.encode({ root, children: [child] }).finish());
      await store({ outputDirectories: [{ path: 'out', treeDigest: tree.toProto() }] });
    });

    it('answers while the Tree and all its files are there, though its Directories are not', async () => {
      assert.ok(await cache.get(action));
    });

    for (const [what, which] of [
      ['the Tree itself', () => tree],
      ['a file of its root', () => rootFile],
      ['a file of a child', () => deepFile],
    ] as const) {
      it(`misses once ${what} has gone`, async () => {
        await blobs.delete([which()]);

        await isMiss();
      });
    }

    it('misses when what it names is no Tree, or holds a malformed digest', async () => {
      const garbage = await put('garbage');
      await store({ outputDirectories: [{ path: 'out', treeDigest: garbage.toProto() }] });
      await isMiss();

      const malformed = { root: { files: [{ name: 'file', digest: { hash: 'abc', sizeBytes: 1 } }] } };
      const treeDigest = await put(reapi.Tree.encode(malformed).finish());
      await store({ outputDirectories: [{ path: 'out', treeDigest: treeDigest.toProto() }] });
      await isMiss();
    });
  });

  describe('with a root Directory', () => {
    let file: Digest;
    let child: Digest;
    let root: Digest;

    beforeEach(async () => {
      file = await put('deep down');
      child = await put(reapi.Directory.encode({ files: [{ name: 'deep', digest: file.toProto() }] }).finish());
      root = await put(reapi.Directory.encode({ directories: [{ name: 'dir', digest: child.toProto() }] }).finish());
      await store({ outputDirectories: [{ path: 'out', rootDirectoryDigest: root.toProto() }] });
    });

    it('answers while everything below is there', async () => {
      assert.ok(await cache.get(action));
    });

    for (const [what, which] of [
      ['the root', () => root],
      ['a Directory below', () => child],
      ['a file below', () => file],
    ] as const) {
      it(`misses once ${what} has gone`, async () => {
        await blobs.delete([which()]);

        await isMiss();
      });
    }
  });

  it('misses when an output directory has neither a Tree nor a root Directory', async () => {
    await store({ outputDirectories: [{ path: 'out' }] });

    await isMiss();
  });

  it('throws trouble of the CAS instead of calling it a miss, and keeps the entry (AC-1)', async () => {
    await store({ stdoutDigest: (await put('output')).toProto() });
    blobs.findMissing = () => Promise.reject(new StatusError(Code.Unavailable, 'the store is down'));

    await assert.rejects(cache.get(action), hasCode(Code.Unavailable));

    assert.ok(await inner.get(action));
  });

  it('asks the CAS once, however many outputs there are', async () => {
    const files = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => ({
        path: `file${index}`,
        digest: (await put(`file ${index}`)).toProto(),
      })),
    );
    await store({ outputFiles: files });
    let calls = 0;
    const findMissing = blobs.findMissing.bind(blobs);
    blobs.findMissing = (digests, signal) => {
      calls += 1;
      return findMissing(digests, signal);
    };

    await cache.get(action);

    assert.equal(calls, 1);
  });

  it('moves inline bytes to the CAS before it stores a result (AC-3, AC-4)', async () => {
    await store({
      stdoutRaw: Buffer.from('out'),
      stderrRaw: Buffer.from('err'),
      outputFiles: [{ path: 'file', digest: Digest.of(Buffer.from('data')).toProto(), contents: Buffer.from('data') }],
    });

    const result = await cache.get(action);

    assert.equal(result?.stdoutRaw.length, 0);
    assert.equal(result.outputFiles[0]?.contents?.length ?? 0, 0);
    const read = async (digest: reapi.Digest.$Properties | null | undefined): Promise<string> =>
      String(await readBlob(blobs, Digest.fromProto(digest, action.function)));
    assert.equal(await read(result.stdoutDigest), 'out');
    assert.equal(await read(result.stderrDigest), 'err');
    assert.equal(await read(result.outputFiles[0]?.digest), 'data');
  });

  it('refuses inline bytes that are not those of the digest beside them (AC-4)', async () => {
    const stdoutDigest = Digest.of(Buffer.from('other')).toProto();

    await assert.rejects(store({ stdoutRaw: Buffer.from('out'), stdoutDigest }), hasCode(Code.InvalidArgument));
  });
});
