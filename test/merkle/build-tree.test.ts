import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createServer } from 'node:net';
import { chmod, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import type { BlobStore } from '../../src/blobstore/blob-store.js';
import { SeekableContent } from '../../src/client/seekable-content.js';
import { uploadMissing } from '../../src/client/upload-missing.js';
import { Code } from '../../src/common/code.js';
import { Digest } from '../../src/digest/digest.js';
import { SHA1 } from '../../src/digest/digest-function.js';
import { buildTree, type BuiltTree } from '../../src/merkle/build-tree.js';
import { materialise } from '../../src/merkle/materialise.js';
import type { reapi } from '../../src/proto/index.js';
import { chunks } from '../helpers/chunks.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

/** The root Directory of a tree, as it would be uploaded. */
function rootOf(tree: BuiltTree): reapi.Directory.$Properties {
  return tree.directories.get(tree.root.key)!.directory;
}

async function upload({ sources }: BuiltTree, blobs: BlobStore): Promise<void> {
  await uploadMissing(blobs, sources);
}

describe('buildTree', () => {
  let folder: Awaited<ReturnType<typeof temporaryDirectory>>;
  let root: string;

  beforeEach(async () => {
    folder = await temporaryDirectory();
    root = join(folder.path, 'root');
    await mkdir(root);
  });

  afterEach(() => folder[Symbol.asyncDispose]());

  it('describes files, exec bits by the owner, links verbatim and empty folders (CMD-6, CMD-11)', async () => {
    await writeFile(join(root, 'plain'), 'text');
    await writeFile(join(root, 'others-may-run'), 'text');
    await chmod(join(root, 'others-may-run'), 0o611);
    await writeFile(join(root, 'tool'), '#!/bin/sh\n', { mode: 0o700 });
    await symlink('../no/where', join(root, 'link'));
    await mkdir(join(root, 'empty'));

    const tree = await buildTree(root);

    assert.deepEqual(rootOf(tree), {
      files: [
        { name: 'others-may-run', digest: Digest.of(Buffer.from('text')).toProto(), isExecutable: false },
        { name: 'plain', digest: Digest.of(Buffer.from('text')).toProto(), isExecutable: false },
        { name: 'tool', digest: Digest.of(Buffer.from('#!/bin/sh\n')).toProto(), isExecutable: true },
      ],
      directories: [{ name: 'empty', digest: Digest.empty().toProto() }],
      symlinks: [{ name: 'link', target: '../no/where' }],
    });
  });

  it('names each distinct blob once: two files, the root and the empty Directory', async () => {
    await writeFile(join(root, 'a'), 'same');
    await writeFile(join(root, 'b'), 'same');
    await writeFile(join(root, 'c'), 'other');
    await mkdir(join(root, 'x'));
    await mkdir(join(root, 'y'));

    const { sources } = await buildTree(root);

    assert.equal(sources.length, 4);
    assert.equal(new Set(sources.map(({ digest }) => digest.key)).size, 4);
  });

  it('sorts names by their bytes, not by UTF-16 (DIG-10)', async () => {
    const names = ['\u{1F600}', '\uE000', 'z', 'Z', 'é'];
    for (const name of names) await writeFile(join(root, name), '');

    const { files } = rootOf(await buildTree(root));

    assert.deepEqual(
      files?.map(({ name }) => name),
      ['Z', 'z', 'é', '\uE000', '\u{1F600}'],
    );
  });

  it('encodes the same folder to the same digest, whatever the order of its entries', async () => {
    const other = join(folder.path, 'other');
    await mkdir(other);
    for (const name of ['a', 'b', 'c']) await writeFile(join(root, name), name);
    for (const name of ['c', 'b', 'a']) await writeFile(join(other, name), name);

    assert.equal(String((await buildTree(root)).root), String((await buildTree(other)).root));
  });

  it('digests with the function that is asked for', async () => {
    await writeFile(join(root, 'a'), 'a');

    const tree = await buildTree(root, { digestFunction: SHA1 });

    assert.equal(tree.root.function, SHA1);
    assert.equal(rootOf(tree).files?.[0]?.digest?.hash, SHA1.hash(Buffer.from('a')));
  });

  it('follows a link that is given as the folder itself', async () => {
    await symlink('root', join(folder.path, 'link'));

    assert.equal(String((await buildTree(join(folder.path, 'link'))).root), String(Digest.empty()));
  });

  it('refuses a fifo and a socket, naming the path', async () => {
    execFileSync('mkfifo', [join(root, 'pipe')]);
    await assert.rejects(buildTree(root), { code: Code.InvalidArgument, message: /root\/pipe is a fifo/ });
    await rm(join(root, 'pipe'));

    const server = createServer().listen(join(root, 'sock'));
    await new Promise((resolve) => server.once('listening', resolve));
    try {
      await assert.rejects(buildTree(root), { code: Code.InvalidArgument, message: /root\/sock is a socket/ });
    } finally {
      server.close();
    }
  });

  it('refuses names and link targets that are not UTF-8', async () => {
    await symlink(Buffer.from([0x66, 0xff]), join(root, 'link'));
    await assert.rejects(buildTree(root), {
      code: Code.InvalidArgument,
      message: /root\/link is a link to .* not UTF-8/,
    });
    await rm(join(root, 'link'));

    await writeFile(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0x66, 0xff])]), '');
    await assert.rejects(buildTree(root), { code: Code.InvalidArgument, message: /not UTF-8/ });
  });

  it('tells a path that is not there from one that is no folder', async () => {
    await writeFile(join(root, 'file'), '');

    await assert.rejects(buildTree(join(root, 'nowhere')), { code: Code.NotFound, message: /nowhere does not exist/ });
    await assert.rejects(buildTree(join(root, 'file')), { code: Code.InvalidArgument, message: /file is no folder/ });
  });

  it('takes a tree that is deeper than the call stack would allow to walk', async () => {
    const deep = join(root, ...new Array<string>(1_500).fill('d'));
    await mkdir(deep, { recursive: true });

    const tree = await buildTree(root);

    assert.equal(tree.directories.size, 1_501);
  });

  it('stops when it is told to', async () => {
    await writeFile(join(root, 'a'), 'a');

    await assert.rejects(buildTree(root, {}, AbortSignal.abort()), { name: 'AbortError' });
  });

  it('is undone by materialise: the written tree has the same digest', async function () {
    this.timeout(60_000);
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 12 }), async (entries) => {
        await using place = await temporaryDirectory();
        const source = join(place.path, 'source');
        await mkdir(source);
        for (const each of entries) await each(source);
        const blobs = new MemoryBlobStore();
        const built = await buildTree(source);
        await upload(built, blobs);

        await materialise(built.root, join(place.path, 'copy'), blobs);

        assert.equal(String((await buildTree(join(place.path, 'copy'))).root), String(built.root));
      }),
      { numRuns: 60 },
    );
  });
});

type MakeEntry = (folder: string) => Promise<unknown>;

const name = fc.oneof(
  fc.constantFrom('a', 'b', 'c', 'é', '\u{1F600}', '..a', ' ', 'a\nb', '-rf'),
  fc
    .string({ minLength: 1, maxLength: 8, unit: fc.constantFrom('x', 'Y', '.', '_') })
    .filter((text) => !/^\.\.?$/.test(text)),
);
const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join('/'));

/** Makes something at a random place; what is there already stays. */
const entry: fc.Arbitrary<MakeEntry> = fc
  .record({ path, kind: fc.constantFrom('file', 'tool', 'link', 'folder'), content: fc.string({ size: '+1' }) })
  .map(({ path: relative, kind, content }) => async (folder: string) => {
    const at = join(folder, relative);
    try {
      await mkdir(kind === 'folder' ? at : join(at, '..'), { recursive: true });
      if (kind === 'file') await writeFile(at, content, { flag: 'wx' });
      if (kind === 'tool') await writeFile(at, content, { flag: 'wx', mode: 0o755 });
      if (kind === 'link') await symlink(content.replaceAll('\0', '') || '.', at);
    } catch {
      // A file stands where a folder was wanted, or the like.
    }
  });

describe('A blob source of buildTree', () => {
  it('has other bytes than its digest says when the file has changed, which a checked write refuses', async () => {
    await using folder = await temporaryDirectory();
    await writeFile(join(folder.path, 'a'), 'before');
    const { sources } = await buildTree(folder.path);
    await writeFile(join(folder.path, 'a'), 'after, and longer');
    const file = sources.find((source) => 'path' in source)!;

    await assert.rejects(new MemoryBlobStore().write(file.digest, new SeekableContent(file)), {
      code: Code.InvalidArgument,
    });
    await new MemoryBlobStore().write(file.digest, chunks('before'));
  });
});
