import assert from 'node:assert/strict';
import { lstat, mkdir, readFile, readdir, readlink, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { MemoryBlobStore } from '../../src/blobstore/backends/memory-blob-store.js';
import type { BlobStore } from '../../src/blobstore/blob-store.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import { Digest } from '../../src/digest/digest.js';
import { SHA256 } from '../../src/digest/digest-function.js';
import { blobPath } from '../../src/digest/resource-name.js';
import { materialise } from '../../src/merkle/materialise.js';
import { encodeDirectory } from '../../src/merkle/tree.js';
import type { reapi } from '../../src/proto/index.js';
import { rpc } from '../../src/proto/index.js';
import { chunks } from '../helpers/chunks.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

describe('materialise', () => {
  let folder: Awaited<ReturnType<typeof temporaryDirectory>>;
  let target: string;
  let blobs: MemoryBlobStore;

  beforeEach(async () => {
    folder = await temporaryDirectory();
    target = join(folder.path, 'target');
    blobs = new MemoryBlobStore();
  });

  afterEach(() => folder[Symbol.asyncDispose]());

  async function blob(text: string | Buffer): Promise<Digest> {
    const digest = Digest.of(Buffer.from(text));
    await blobs.write(digest, chunks(text));
    return digest;
  }

  async function directory(message: reapi.Directory.$Properties): Promise<Digest> {
    const { digest, data } = encodeDirectory(message, SHA256);
    await blobs.write(digest, chunks(data));
    return digest;
  }

  const file = async (
    name: string,
    text: string | Buffer = name,
    more: object = {},
  ): Promise<reapi.FileNode.$Properties> => ({
    name,
    digest: (await blob(text)).toProto(),
    ...more,
  });

  it('writes folders, files, exec bits and links as the tree has them (CMD-6)', async () => {
    const large = Buffer.alloc(300_000, 'x');
    const below = await directory({ files: [await file('copy', large, { isExecutable: true }), await file('small')] });
    const root = await directory({
      files: [await file('large', large), await file('tool', 'run me', { isExecutable: true })],
      directories: [
        { name: 'below', digest: below.toProto() },
        { name: 'empty', digest: Digest.empty().toProto() },
      ],
      symlinks: [{ name: 'link', target: 'no//such/../thing' }],
    });

    await materialise(root, target, blobs);

    assert.deepEqual((await readdir(target, { recursive: true })).sort(), [
      'below',
      'below/copy',
      'below/small',
      'empty',
      'large',
      'link',
      'tool',
    ]);
    assert.deepEqual(await readFile(join(target, 'large')), large);
    assert.deepEqual(await readFile(join(target, 'below/copy')), large);
    assert.equal(await readFile(join(target, 'below/small'), 'utf8'), 'small');
    assert.equal(await readlink(join(target, 'link')), 'no//such/../thing');
    const isExecutable = async (path: string): Promise<boolean> =>
      ((await stat(join(target, path))).mode & 0o100) !== 0;
    assert.deepEqual(await Promise.all(['tool', 'below/copy', 'large', 'below/small'].map(isExecutable)), [
      true,
      true,
      false,
      false,
    ]);
  });

  it('needs no upload of the empty file and the empty Directory (DIG-6)', async () => {
    const root = await directory({ files: [{ name: 'empty', digest: Digest.empty().toProto() }] });

    await materialise(root, target, blobs);

    assert.equal((await stat(join(target, 'empty'))).size, 0);
  });

  it('honours unix_mode, without setuid, and mtime', async () => {
    const properties = { unixMode: { value: 0o4640 }, mtime: { seconds: 1_000_000_000, nanos: 0 } };
    const below = await directory({ files: [await file('a')], nodeProperties: { mtime: { seconds: 5, nanos: 0 } } });
    const root = await directory({
      files: [await file('a', 'a', { nodeProperties: properties })],
      directories: [{ name: 'below', digest: below.toProto() }],
      symlinks: [{ name: 'link', target: '/nowhere', nodeProperties: { mtime: { seconds: 7, nanos: 0 } } }],
    });

    await materialise(root, target, blobs);

    const { mode, mtimeMs } = await stat(join(target, 'a'));
    assert.equal(mode & 0o7777, 0o640);
    assert.equal(mtimeMs, 1_000_000_000_000);
    assert.equal((await stat(join(target, 'below'))).mtimeMs, 5_000);
    assert.equal((await lstat(join(target, 'link'))).mtimeMs, 7_000);
  });

  it('names every missing blob at once: Directories, files that known Directories name, each once (EX-9)', async () => {
    const absent = [Digest.of(Buffer.from('absent 1')), Digest.of(Buffer.from('absent 2'))] as const;
    const absentDirectory = encodeDirectory({ symlinks: [{ name: 'l', target: 't' }] }, SHA256).digest;
    const root = await directory({
      files: [
        { name: 'a', digest: absent[0].toProto() },
        { name: 'b', digest: absent[1].toProto() },
        { name: 'c', digest: absent[0].toProto() },
        await file('here'),
      ],
    });
    const above = await directory({
      directories: [
        { name: 'gone', digest: absentDirectory.toProto() },
        { name: 'known', digest: root.toProto() },
      ],
    });

    assert.deepEqual(await missingSubjects(materialise(root, target, blobs)), absent.map(blobPath).sort());
    assert.deepEqual(await readdir(folder.path), []);
    assert.deepEqual(
      await missingSubjects(materialise(above, target, blobs)),
      [absentDirectory, ...absent].map(blobPath).sort(),
    );
  });

  it('names the root when that is missing', async () => {
    const root = Digest.of(Buffer.from('root'));

    assert.deepEqual(await missingSubjects(materialise(root, target, blobs)), [blobPath(root)]);
  });

  it('refuses names that could leave the folder, and links without a target (DIG-12, S1)', async () => {
    const nodes = ['..', '.', '', 'a/b', '/etc/passwd', 'nul\0', '\uFFFD'];
    const fails = async (message: reapi.Directory.$Properties): Promise<void> => {
      const root = await directory(message);
      await assert.rejects(materialise(root, target, blobs), { code: Code.InvalidArgument });
    };

    for (const name of nodes) {
      await fails({ files: [await file(name, 'x')] });
      await fails({ symlinks: [{ name, target: 'x' }] });
      await fails({ directories: [{ name, digest: (await directory({})).toProto() }] });
    }
    await fails({ files: [await file('a'), await file('a')] });
    await fails({ files: [await file('a')], symlinks: [{ name: 'a', target: '/etc' }] });
    await fails({
      directories: [{ name: 'a', digest: (await directory({})).toProto() }],
      symlinks: [{ name: 'a', target: '/etc' }],
    });
    await fails({ symlinks: [{ name: 'a', target: '' }] });
    assert.deepEqual(await readdir(folder.path), []);
  });

  it('refuses names and paths that are longer than the machine allows, and leaves nothing', async () => {
    const long = await directory({ files: [await file('x'.repeat(256))] });
    let deep = await directory({});
    for (let level = 0; level < 5_000; level += 1) {
      deep = await directory({ directories: [{ name: 'd', digest: deep.toProto() }] });
    }

    await assert.rejects(materialise(long, target, blobs), { code: Code.InvalidArgument, message: /longer than/ });
    await assert.rejects(materialise(deep, target, blobs), { code: Code.InvalidArgument, message: /longer than/ });
    assert.deepEqual(await readdir(folder.path), []);
  });

  it('refuses a small tree that unfolds to millions of folders (U4)', async () => {
    let bomb = await directory({});
    for (let level = 0; level < 30; level += 1) {
      const digest = bomb.toProto();
      bomb = await directory({
        directories: [
          { name: 'a', digest },
          { name: 'b', digest },
        ],
      });
    }

    await assert.rejects(materialise(bomb, target, blobs), {
      code: Code.InvalidArgument,
      message: /more than 1000000/,
    });
  });

  it('writes into an empty folder, and into no other', async () => {
    const root = await directory({ files: [await file('a')] });
    await mkdir(target);
    await materialise(root, target, blobs);

    await assert.rejects(materialise(root, target, blobs), { code: Code.FailedPrecondition, message: /is not empty/ });
    await assert.rejects(materialise(root, join(target, 'a'), blobs), {
      code: Code.FailedPrecondition,
      message: /is a file/,
    });
    assert.equal(await readFile(join(target, 'a'), 'utf8'), 'a');
  });

  it('never writes through a link that somebody else plants meanwhile (S2)', async () => {
    const outside = join(folder.path, 'outside');
    await writeFile(outside, 'untouched');
    const root = await directory({ files: [await file('a', 'evil')] });
    const planting: BlobStore = Object.create(blobs, {
      read: {
        value: async function* (...args: Parameters<BlobStore['read']>) {
          if (args[0].equals(Digest.of(Buffer.from('evil')))) await symlink(outside, join(target, 'a'));
          yield* blobs.read(...args);
        },
      },
    }) as BlobStore;

    await assert.rejects(materialise(root, target, planting), /EEXIST/);
    assert.equal(await readFile(outside, 'utf8'), 'untouched');
  });

  it('stops when it is told to, and leaves nothing', async () => {
    const root = await directory({ files: [await file('a')] });
    const stop = new AbortController();
    const stopping: BlobStore = Object.create(blobs, {
      read: {
        value: (digest: Digest, ...rest: []) => {
          if (!digest.equals(root)) stop.abort();
          return blobs.read(digest, ...rest);
        },
      },
      findMissing: { value: blobs.findMissing.bind(blobs) },
    }) as BlobStore;
    const several = await directory({
      files: [await file('a')],
      directories: [{ name: 'below', digest: root.toProto() }],
      symlinks: [{ name: 'link', target: 'x' }],
    });

    await assert.rejects(materialise(several, target, stopping, stop.signal), { code: Code.Cancelled });
    assert.deepEqual(await readdir(folder.path), []);
  });
});

/** The subjects of the violations of the PreconditionFailure that `promise` rejects with, sorted. */
async function missingSubjects(promise: Promise<void>): Promise<(string | null | undefined)[]> {
  const reason = await promise.then(
    () => assert.fail('It has resolved'),
    (failure: unknown) => failure,
  );
  assert.ok(reason instanceof StatusError);
  assert.equal(reason.code, Code.FailedPrecondition);
  assert.equal(reason.details.length, 1);
  assert.equal(reason.details[0]?.typeUrl, 'type.googleapis.com/google.rpc.PreconditionFailure');
  const { violations } = rpc.PreconditionFailure.decode(reason.details[0].value);
  assert.ok(violations.every(({ type }) => type === 'MISSING'));
  return violations.map(({ subject }) => subject).sort();
}
