import assert from 'node:assert/strict';
import { mkdir, readFile, readdir, readlink, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import { VerifyingBlobStore } from '../../src/blobstore/decorators/verifying-blob-store.js';
import { BlobNotFoundError, type BlobStore } from '../../src/blobstore/blob-store.js';
import { downloadOutputs } from '../../src/client/download-outputs.js';
import { Code } from '../../src/common/code.js';
import { Digest } from '../../src/digest/digest.js';
import { reapi } from '../../src/proto/index.js';
import { hasCode } from '../helpers/has-code.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

describe('downloadOutputs', () => {
  let folder: Awaited<ReturnType<typeof temporaryDirectory>>;
  let target: string;
  let blobs: BlobStore;

  beforeEach(async () => {
    folder = await temporaryDirectory();
    target = join(folder.path, 'target');
    blobs = new VerifyingBlobStore(new MemoryBlobStore());
  });

  afterEach(() => folder[Symbol.asyncDispose]());

  async function store(content: string | Uint8Array): Promise<{ hash: string; sizeBytes: number }> {
    const data = Buffer.from(content);
    const digest = Digest.of(data);
    await blobs.writeBatch([{ digest, data }]);
    return digest.toProto();
  }

  const download = (result: reapi.ActionResult.$Properties): Promise<void> =>
    downloadOutputs(blobs, { result, target });
  const text = (path: string): Promise<string> => readFile(join(target, path), 'utf8');
  const isExecutable = async (path: string): Promise<boolean> => ((await stat(join(target, path))).mode & 0o100) !== 0;

  it('writes files with their exec bits, below folders that it makes (CL-6)', async () => {
    await download({
      outputFiles: [
        { path: 'plain', digest: await store('plain') },
        { path: 'a/b/tool', digest: await store('tool'), isExecutable: true },
        { path: 'a/empty', digest: Digest.empty().toProto() },
      ],
    });

    assert.equal(await text('plain'), 'plain');
    assert.equal(await text('a/b/tool'), 'tool');
    assert.equal(await text('a/empty'), '');
    assert.deepEqual([await isExecutable('plain'), await isExecutable('a/b/tool')], [false, true]);
  });

  it('replaces files and links of an earlier download', async () => {
    const result = async (content: string): Promise<reapi.ActionResult.$Properties> => ({
      outputFiles: [{ path: 'a/file', digest: await store(content) }],
      outputSymlinks: [{ path: 'link', target: content }],
    });

    await download(await result('first'));
    await download(await result('second'));

    assert.equal(await text('a/file'), 'second');
    assert.equal(await readlink(join(target, 'link')), 'second');
    assert.deepEqual((await readdir(target)).sort(), ['a', 'link']);
  });

  it('takes links from the new list, or from the two old ones, verbatim (CL-6, CMD-9)', async () => {
    const links = {
      outputFileSymlinks: [{ path: 'f', target: '../x' }],
      outputDirectorySymlinks: [{ path: 'd', target: '/tmp' }],
    };

    await download({ ...links, outputSymlinks: [{ path: 'f', target: '../x' }] });
    assert.deepEqual(await readdir(target), ['f']);

    await download(links);
    assert.equal(await readlink(join(target, 'f')), '../x');
    assert.equal(await readlink(join(target, 'd')), '/tmp');
  });

  it('takes bytes that came with the result if they are genuine, else those of the store (CL-6)', async () => {
    const genuine = Buffer.from('inline');
    await download({
      outputFiles: [
        { path: 'inline', digest: Digest.of(genuine).toProto(), contents: genuine, isExecutable: true },
        { path: 'forged', digest: await store('stored'), contents: Buffer.from('forged') },
      ],
    });

    assert.equal(await text('inline'), 'inline');
    assert.equal(await isExecutable('inline'), true);
    assert.equal(await text('forged'), 'stored');
  });

  describe('with directories', () => {
    let leaf: reapi.Directory.$Properties;
    let root: reapi.Directory.$Properties;

    beforeEach(async () => {
      leaf = { files: [{ name: 'file', digest: await store('in a folder'), isExecutable: true }] };
      const digestOf = (directory: reapi.Directory.$Properties): object =>
        Digest.of(reapi.Directory.encode(directory).finish()).toProto();
      root = {
        directories: [
          { name: 'empty', digest: digestOf({}) },
          { name: 'one', digest: digestOf(leaf) },
          { name: 'two', digest: digestOf(leaf) },
        ],
        symlinks: [{ name: 'link', target: 'one/file' }],
      };
    });

    async function expectTree(path: string): Promise<void> {
      assert.deepEqual((await readdir(join(target, path))).sort(), ['empty', 'link', 'one', 'two']);
      assert.deepEqual(await readdir(join(target, path, 'empty')), []);
      assert.equal(await text(`${path}/two/file`), 'in a folder');
      assert.equal(await text(`${path}/link`), 'in a folder');
      assert.equal(await isExecutable(`${path}/one/file`), true);
    }

    it('unfolds a Tree by the digests of its Directories, whatever their order (CAS-10, CL-6)', async () => {
      const tree = reapi.Tree.encode({ root, children: [leaf, {}, leaf] }).finish();

      await download({ outputDirectories: [{ path: 'out/dir', treeDigest: await store(tree) }] });

      await expectTree('out/dir');
    });

    it('unfolds a root Directory where there is no Tree (CL-6)', async () => {
      for (const directory of [leaf, {}]) await store(reapi.Directory.encode(directory).finish());
      const rootDirectoryDigest = await store(reapi.Directory.encode(root).finish());

      await download({ outputDirectories: [{ path: 'dir', rootDirectoryDigest }] });

      await expectTree('dir');
    });

    it('makes an empty directory', async () => {
      const tree = reapi.Tree.encode({ root: {} }).finish();

      await download({ outputDirectories: [{ path: 'dir', treeDigest: await store(tree) }] });

      assert.deepEqual(await readdir(join(target, 'dir')), []);
    });

    it('takes the whole working directory as the target itself', async () => {
      const tree = reapi.Tree.encode({ root: leaf }).finish();

      await download({ outputDirectories: [{ path: '', treeDigest: await store(tree) }] });

      assert.deepEqual(await readdir(target), ['file']);
    });

    it('writes files that are listed besides the directory they are in', async () => {
      const tree = reapi.Tree.encode({ root: leaf }).finish();

      await download({
        outputDirectories: [{ path: 'dir', treeDigest: await store(tree) }],
        outputFiles: [{ path: 'dir/file', digest: await store('in a folder') }],
      });

      assert.equal(await text('dir/file'), 'in a folder');
    });

    it('does not mix a directory with what is in its place', async () => {
      const treeDigest = await store(reapi.Tree.encode({ root: leaf }).finish());
      await mkdir(join(target, 'dir'), { recursive: true });
      await writeFile(join(target, 'dir', 'mine'), '');

      await assert.rejects(
        download({ outputDirectories: [{ path: 'dir', treeDigest }] }),
        hasCode(Code.FailedPrecondition),
      );

      assert.deepEqual(await readdir(join(target, 'dir')), ['mine']);
    });

    const bads: readonly (readonly [string, reapi.Directory.$Properties])[] = [
      ['a name that leaves it', { files: [{ name: '../x', digest: Digest.empty().toProto() }] }],
      ['a name twice', { symlinks: ['a', 'a'].map((name) => ({ name, target: 'x' })) }],
    ];
    for (const [what, bad] of bads) {
      it(`refuses a Tree with ${what} (S1, DIG-12)`, async () => {
        const treeDigest = await store(reapi.Tree.encode({ root: bad }).finish());

        await assert.rejects(
          download({ outputDirectories: [{ path: 'd', treeDigest }] }),
          hasCode(Code.InvalidArgument),
        );
      });
    }

    it('refuses a Tree without a root, and what does not decode as one', async () => {
      for (const bytes of [reapi.Tree.encode({ children: [leaf] }).finish(), Buffer.from([0xff])]) {
        const treeDigest = await store(bytes);
        await assert.rejects(
          download({ outputDirectories: [{ path: 'd', treeDigest }] }),
          hasCode(Code.InvalidArgument),
        );
      }
    });
  });

  for (const path of ['../x', '/etc/x', 'a/../../x', 'a//b', './a', 'a/', '', '..', 'a\0b']) {
    it(`refuses the output path ${JSON.stringify(path)} before it writes anything (S1, S2)`, async () => {
      const digest = await store('x');
      const good = { path: 'good', digest };

      await assert.rejects(download({ outputFiles: [good, { path, digest }] }), hasCode(Code.InvalidArgument));
      await assert.rejects(
        download({ outputFiles: [good], outputSymlinks: [{ path, target: 'x' }] }),
        hasCode(Code.InvalidArgument),
      );

      assert.deepEqual(await readdir(folder.path), []);
    });
  }

  it('writes nothing through a link (S2)', async () => {
    const outside = join(folder.path, 'outside');
    await mkdir(outside);
    await mkdir(target);
    await symlink(outside, join(target, 'link'));
    const digest = await store('x');
    const treeDigest = await store(reapi.Tree.encode({ root: {} }).finish());

    for (const result of [
      { outputFiles: [{ path: 'link/x', digest }] },
      { outputFiles: [{ path: 'link/a/x', digest }] },
      { outputSymlinks: [{ path: 'link/x', target: 'y' }] },
      { outputDirectories: [{ path: 'link', treeDigest }] },
      { outputDirectories: [{ path: 'link/d', treeDigest }] },
    ]) {
      await assert.rejects(download(result), /is a symbolic link, through which nothing is written/);
    }

    assert.deepEqual(await readdir(outside), []);
  });

  it('never replaces a folder, nor makes one in place of a file', async () => {
    await mkdir(join(target, 'folder'), { recursive: true });
    await writeFile(join(target, 'file'), 'mine');
    const digest = await store('x');

    for (const result of [
      { outputFiles: [{ path: 'folder', digest }] },
      { outputSymlinks: [{ path: 'folder', target: 'x' }] },
      { outputFiles: [{ path: 'file/x', digest }] },
    ]) {
      await assert.rejects(download(result), hasCode(Code.FailedPrecondition));
    }

    assert.equal(await text('file'), 'mine');
  });

  it('says which blob is gone', async () => {
    const digest = Digest.of(Buffer.from('gone'));

    await assert.rejects(download({ outputFiles: [{ path: 'x', digest: digest.toProto() }] }), BlobNotFoundError);
  });
});
