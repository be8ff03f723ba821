import assert from 'node:assert/strict';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import type { BlobStore } from '../../src/blobstore/blob-store.js';
import { VerifyingBlobStore } from '../../src/blobstore/decorators/verifying-blob-store.js';
import { Code } from '../../src/common/code.js';
import { Digest } from '../../src/digest/digest.js';
import { reapi } from '../../src/proto/index.js';
import { ContentAddressableStorageService } from '../../src/services/content-addressable-storage-service.js';
import { InstanceRegistry } from '../../src/services/instance-registry.js';
import { fakeCallContext } from '../helpers/call-context.js';
import { hasCode } from '../helpers/has-code.js';

describe('GetTree', () => {
  const hello = Digest.of(Buffer.from('hello'));
  const context = fakeCallContext();
  let blobs: BlobStore;
  let service: ContentAddressableStorageService;

  beforeEach(() => {
    blobs = new VerifyingBlobStore(new MemoryBlobStore());
    service = new ContentAddressableStorageService(new InstanceRegistry(new Map([['main', { blobs }]])));
  });

  const put = async (data: Uint8Array): Promise<Digest> => {
    const digest = Digest.of(data);
    assert.deepEqual(await blobs.writeBatch([{ digest, data }]), [undefined]);
    return digest;
  };
  const directory = async (
    names: Record<string, Digest>,
    files: Record<string, Digest> = {},
  ): Promise<{ digest: Digest; message: reapi.Directory.$Properties }> => {
    const nodes = (of: Record<string, Digest>): { name: string; digest: { hash: string; sizeBytes: number } }[] =>
      Object.entries(of).map(([name, digest]) => ({ name, digest: digest.toProto() }));
    const message = { directories: nodes(names), files: nodes(files) };
    return { digest: await put(reapi.Directory.encode(message).finish()), message };
  };
  const pagesOf = async (
    rootDigest: reapi.Digest.$Properties | null,
    more: Partial<reapi.GetTreeRequest.$Properties> = {},
  ): Promise<{ digests: string[]; token: string }[]> => {
    const request = reapi.GetTreeRequest.create({ instanceName: 'main', rootDigest, ...more });
    const pages: { digests: string[]; token: string }[] = [];
    for await (const { directories, nextPageToken } of service.getTree(request, context)) {
      const digests = (directories ?? []).map((each) => String(Digest.of(reapi.Directory.encode(each).finish())));
      pages.push({ digests, token: nextPageToken ?? '' });
    }
    return pages;
  };
  const treeOf = async (...parameters: Parameters<typeof pagesOf>): Promise<string[]> =>
    (await pagesOf(...parameters)).flatMap(({ digests }) => digests);

  it('streams the root first, parents before children, each distinct one once (CAS-10)', async () => {
    const leaf = await directory({}, { file: hello });
    const left = await directory({ leaf: leaf.digest, again: leaf.digest });
    const right = await directory({ left: left.digest, leaf: leaf.digest });
    const root = await directory({ a: left.digest, b: right.digest });

    const tree = await treeOf(root.digest.toProto());

    assert.equal(tree[0], String(root.digest));
    assert.deepEqual([...tree].sort(), [root, left, right, leaf].map(({ digest }) => String(digest)).sort());
    assert.ok(tree.indexOf(String(left.digest)) < tree.indexOf(String(leaf.digest)));
  });

  it('takes the empty root for one empty Directory (DIG-6)', async () => {
    assert.deepEqual(await treeOf(Digest.empty().toProto()), [String(Digest.empty())]);
  });

  it('answers NOT_FOUND for a missing root and INVALID_ARGUMENT for one that is no Directory (CAS-9)', async () => {
    await assert.rejects(treeOf(hello.toProto()), hasCode(Code.NotFound));
    const garbage = await put(Buffer.from([0xff, 0xff]));
    await assert.rejects(treeOf(garbage.toProto()), hasCode(Code.InvalidArgument));
    await assert.rejects(treeOf(null), hasCode(Code.InvalidArgument));
  });

  it('leaves out descendants that are missing or malformed, and ends well (CAS-9)', async () => {
    const garbage = await put(Buffer.from([0xff, 0xff]));
    const unsafe = await put(reapi.Directory.encode({ files: [{ name: '../x', digest: hello.toProto() }] }).finish());
    const there = await directory({}, { file: hello });
    const root = await directory({ garbage, unsafe, missing: hello, there: there.digest });

    assert.deepEqual(await treeOf(root.digest.toProto()), [String(root.digest), String(there.digest)]);
  });

  it('pages by page_size, and goes on behind a token (CAS-11, CAS-12)', async () => {
    const leaves = await Promise.all(Array.from({ length: 6 }, (_, index) => directory({}, { [`f${index}`]: hello })));
    const root = await directory(Object.fromEntries(leaves.map(({ digest }, index) => [`d${index}`, digest])));
    const rootDigest = root.digest.toProto();

    const pages = await pagesOf(rootDigest, { pageSize: 3 });

    assert.deepEqual(
      pages.map(({ digests, token }) => [digests.length, token !== '']),
      [
        [3, true],
        [3, true],
        [1, false],
      ],
    );
    const rest = await treeOf(rootDigest, { pageSize: 2, pageToken: pages[0]!.token });
    assert.deepEqual([...pages[0]!.digests, ...rest], await treeOf(rootDigest));
  });

  it('refuses a negative page size, and tokens that are garbled or of another root (CAS-11, CAS-12)', async () => {
    const leaf = await directory({}, { file: hello });
    const root = await directory({ leaf: leaf.digest });
    const [page] = await pagesOf(root.digest.toProto(), { pageSize: 1 });
    const code = hasCode(Code.InvalidArgument);

    await assert.rejects(treeOf(root.digest.toProto(), { pageSize: -1 }), code);
    for (const pageToken of ['x', '1', `9${page!.token}`, `${page!.token}x`]) {
      await assert.rejects(treeOf(root.digest.toProto(), { pageToken }), code);
    }
    await assert.rejects(treeOf(leaf.digest.toProto(), { pageToken: page!.token }), code);
  });

  it('keeps each message below the limit of clients (CAS-11)', async () => {
    const large = await Promise.all(
      Array.from({ length: 3 }, (_, index) =>
        directory({}, Object.fromEntries(Array.from({ length: 20_000 }, (__, file) => [`${index}-${file}`, hello]))),
      ),
    );
    const root = await directory({ a: large[0]!.digest, b: large[1]!.digest, c: large[2]!.digest });
    const request = reapi.GetTreeRequest.create({ instanceName: 'main', rootDigest: root.digest.toProto() });

    const sizes: number[] = [];
    for await (const response of service.getTree(request, context)) {
      sizes.push(reapi.GetTreeResponse.encode(response).finish().length);
    }

    assert.ok(sizes.length > 1);
    assert.ok(Math.max(...sizes) < 4 * 1024 * 1024);
  });
});
