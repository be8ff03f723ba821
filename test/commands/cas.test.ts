import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, readdir, readlink, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Digest } from '../../src/digest/digest.js';
import { CommandHarness } from './command-harness.js';

describe('bgd cas', () => {
  let harness: CommandHarness;
  const absent = `${'a'.repeat(64)}/5`;

  beforeEach(async () => (harness = await CommandHarness.create()));
  afterEach(() => harness[Symbol.asyncDispose]());

  const inFolder = (name: string): string => join(harness.folder, name);

  it('uploads files and prints one digest a line, in order', async () => {
    await writeFile(inFolder('a'), 'first');
    await writeFile(inFolder('b'), 'second');

    const { code, stdout, stderr } = await harness.run('cas', 'upload-file', 'b', 'a');

    const digests = ['second', 'first'].map((text) => Digest.of(Buffer.from(text)));
    assert.deepEqual(
      { code, stdout, stderr },
      { code: 0, stdout: digests.map((digest) => `${String(digest)}\n`).join(''), stderr: '' },
    );
    assert.deepEqual(await harness.server.blobs.findMissing(digests), []);
  });

  it('prints paths and digests as JSON', async () => {
    await writeFile(inFolder('a'), 'first');

    const { stdout } = await harness.run('cas', 'upload-file', '--json', 'a');

    assert.deepEqual(JSON.parse(stdout), [{ path: 'a', digest: String(Digest.of(Buffer.from('first'))) }]);
  });

  it('sends nothing when one of the files is missing, and exits with 2', async () => {
    await writeFile(inFolder('a'), 'first');

    const { code, stdout, stderr } = await harness.run('cas', 'upload-file', 'a', 'nowhere');

    assert.deepEqual({ code, stdout, stderr }, { code: 2, stdout: '', stderr: 'Error: No file found at nowhere\n' });
    const digest = Digest.of(Buffer.from('first'));
    assert.deepEqual(await harness.server.blobs.findMissing([digest]), [digest]);
  });

  it('brings a folder back as it was: modes, links, empty folders', async () => {
    await mkdir(inFolder('tree/sub/empty'), { recursive: true });
    await writeFile(inFolder('tree/run.sh'), '#!/bin/sh\n');
    await chmod(inFolder('tree/run.sh'), 0o755);
    await symlink('../run.sh', inFolder('tree/sub/link'));

    const { code, stdout } = await harness.run('cas', 'upload-dir', 'tree');
    const download = await harness.run('cas', 'download-dir', stdout.trim(), 'copy');

    assert.deepEqual([code, download.code, download.stdout, download.stderr], [0, 0, '', '']);
    assert.match(stdout, /^[0-9a-f]{64}\/\d+\n$/);
    assert.equal(await readFile(inFolder('copy/run.sh'), 'utf8'), '#!/bin/sh\n');
    assert.equal((await stat(inFolder('copy/run.sh'))).mode & 0o777, 0o755);
    assert.equal(await readlink(inFolder('copy/sub/link')), '../run.sh');
    assert.deepEqual(await readdir(inFolder('copy/sub/empty')), []);
  });

  it('refuses a file where a directory is wanted, with 2', async () => {
    await writeFile(inFolder('file'), '');

    const upload = await harness.run('cas', 'upload-dir', 'file');
    const download = await harness.run('cas', 'download-dir', String(await harness.server.store(Buffer.of())), 'file');

    assert.deepEqual([upload.code, download.code], [2, 2]);
    assert.match(upload.stderr, /^Error: file exists but is not a directory\n$/);
    assert.match(download.stderr, /^Error: file is a file, where a new or an empty folder is wanted\n$/);
  });

  it('refuses a directory that is not empty, with 2, and leaves it alone', async () => {
    await mkdir(inFolder('full'));
    await writeFile(inFolder('full/mine'), 'mine');
    const root = await harness.run('cas', 'upload-dir', 'full');

    const { code, stderr } = await harness.run('cas', 'download-dir', root.stdout.trim(), 'full');

    assert.deepEqual(
      { code, stderr },
      { code: 2, stderr: 'Error: full is not empty: a tree is written into a new or an empty folder\n' },
    );
    assert.equal(await readFile(inFolder('full/mine'), 'utf8'), 'mine');
  });

  it('downloads pairs of digest and path', async () => {
    const first = await harness.server.store(Buffer.from('first'));
    const second = await harness.server.store(Buffer.from('second'));

    const { code, stdout } = await harness.run('cas', 'download-file', String(first), 'one', second.hash + '-6', 'two');

    assert.deepEqual({ code, stdout }, { code: 0, stdout: '' });
    assert.deepEqual(await Promise.all(['one', 'two'].map((name) => readFile(inFolder(name), 'utf8'))), [
      'first',
      'second',
    ]);
  });

  it('exits with 3 when a blob is not there, and leaves no file', async () => {
    const { code, stderr } = await harness.run('cas', 'download-file', absent, 'file');

    assert.equal(code, 3);
    assert.match(stderr, /^Error: .*aaaa.*\n$/);
    assert.deepEqual(await readdir(harness.folder), []);
  });

  it('exits with 3 when a directory is not there', async () => {
    const { code, stderr } = await harness.run('cas', 'download-dir', absent, 'out');

    assert.equal(code, 3);
    assert.match(stderr, /^Error: [^\n]*\n$/);
    assert.deepEqual(await readdir(harness.folder), []);
  });

  it('exits with 2 for what is no digest, or has no path', async () => {
    const noDigest = await harness.run('cas', 'download-file', 'main.c', 'out');
    const noPath = await harness.run('cas', 'download-file', absent);

    assert.deepEqual([noDigest.code, noPath.code], [2, 2]);
    assert.equal(noDigest.stderr, 'Error: "main.c" is not a digest: HASH/SIZE is wanted\n');
    assert.match(noPath.stderr, /has no PATH: pairs of DIGEST and PATH are wanted/);
  });

  it('takes the forms of BuildGrid: options of the group first, --verify, variables', async () => {
    await writeFile(inFolder('a'), 'first');
    const remote = harness.server.url;

    const group = harness.startWith({ BGD_REMOTE: '' }, 'cas', '--remote', remote, 'upload-file', '--verify', 'a');
    const variable = harness.startWith({ BGD_REMOTE: '', BUILDGRID_CAS_REMOTE: remote }, 'cas', 'upload-file', 'a');

    assert.deepEqual([(await group.ended).code, (await variable.ended).code], [0, 0]);
  });

  it('shows what the CAS holds and is made of, a line a store', async () => {
    const table = await harness.run('cas', 'stats');
    const json = await harness.run('cas', 'stats', '--json');

    assert.deepEqual([table.code, table.stderr], [0, '']);
    assert.equal(
      table.stdout,
      [
        'STORE                     BLOBS  SIZE     LIMIT    USED  PLACE     MORE',
        'with-cache-storage',
        '  fallback: disk-storage  3      3.0 MiB  1.0 GiB  0 %   /var/cas  free: 2.0 GiB',
        'with-cache-storage: no cache',
        '',
      ].join('\n'),
    );
    const { type, parts } = JSON.parse(json.stdout) as { type: string; parts: readonly object[] };
    assert.equal(type, 'with-cache-storage');
    assert.deepEqual(parts, [
      {
        ...{ type: 'disk-storage', role: 'fallback', place: '/var/cas' },
        ...{ blobs: '3', sizeBytes: '3145728', maxBytes: '1073741824', figures: { freeBytes: 2 * 1024 ** 3 } },
      },
    ]);
  });
});
