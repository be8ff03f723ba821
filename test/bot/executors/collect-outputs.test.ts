import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { collectOutputs, type CollectedOutputs } from '../../../src/bot/executors/collect-outputs.js';
import { planCommand } from '../../../src/bot/executors/command-plan.js';
import { Code } from '../../../src/common/code.js';
import { Digest } from '../../../src/digest/digest.js';
import { SHA256 } from '../../../src/digest/digest-function.js';
import { directoriesOf } from '../../../src/merkle/tree.js';
import { reapi } from '../../../src/proto/index.js';
import { temporaryDirectory } from '../../helpers/temporary-directory.js';

const text = (value: string): { hash: string; sizeBytes: number } => Digest.of(Buffer.from(value)).toProto();

describe('collectOutputs', () => {
  let folder: Awaited<ReturnType<typeof temporaryDirectory>>;
  let root: string;

  beforeEach(async () => {
    folder = await temporaryDirectory();
    root = join(folder.path, 'root');
    await mkdir(root);
  });

  afterEach(() => folder[Symbol.asyncDispose]());

  function collect(command: reapi.Command.$Properties): Promise<CollectedOutputs> {
    const plan = planCommand(reapi.Command.fromObject({ arguments: ['true'], ...command }));
    return collectOutputs(plan, { inputRoot: root, digestFunction: SHA256 });
  }

  const keysOf = ({ sources }: CollectedOutputs): string[] => sources.map(({ digest }) => digest.key);

  it('tells files with their exec bits, and leaves out what is not there (CMD-7, CMD-11)', async () => {
    await mkdir(join(root, 'sub'));
    await writeFile(join(root, 'sub/plain'), 'text');
    await writeFile(join(root, 'sub/tool'), 'tool');
    await chmod(join(root, 'sub/tool'), 0o744);

    const { result, fault } = await collect({
      workingDirectory: 'sub',
      outputPaths: ['plain', 'tool', 'absent', 'plain/below-a-file', '../sub/plain'],
    });

    assert.equal(fault, undefined);
    assert.deepEqual(result.outputFiles, [
      { path: 'plain', digest: text('text'), isExecutable: false },
      { path: 'tool', digest: text('tool'), isExecutable: true },
      { path: '../sub/plain', digest: text('text'), isExecutable: false },
    ]);
  });

  it('tells a directory as a topologically sorted Tree, with its links verbatim (CMD-11, CMD-14)', async () => {
    await mkdir(join(root, 'out/a/b'), { recursive: true });
    await mkdir(join(root, 'out/c/b'), { recursive: true });
    await writeFile(join(root, 'out/a/b/file'), 'text');
    await writeFile(join(root, 'out/c/b/file'), 'text');
    await symlink('/etc', join(root, 'out/link'));

    const collected = await collect({ outputPaths: ['out'] });

    const [output] = collected.result.outputDirectories!;
    const source = collected.sources.find(({ digest }) => digest.hash === output!.treeDigest!.hash)!;
    assert.ok('data' in source);
    const tree = reapi.Tree.decode(source.data);
    assert.equal(output!.isTopologicallySorted, true);
    assert.equal(output!.rootDirectoryDigest, undefined);
    assert.deepEqual(
      tree.root?.directories?.map(({ name }) => name),
      ['a', 'c'],
    );
    assert.deepEqual(
      tree.root.symlinks?.map(({ target }) => target),
      ['/etc'],
    );
    // a and c are the same Directory, and so are their children: two distinct ones below the root.
    assert.equal(tree.children.length, 2);
    assert.equal(directoriesOf(tree, SHA256).size, 2);
    assert.ok(tree.children[0]?.directories?.length === 1 && tree.children[1]?.files?.length === 1);
    assert.deepEqual(keysOf(collected).length, 2);
  });

  for (const name of ['DIRECTORY_ONLY', 'TREE_AND_DIRECTORY'] as const) {
    it(`also tells the root Directory, and brings every Directory, in the format ${name} (CMD-13)`, async () => {
      await mkdir(join(root, 'out/a'), { recursive: true });
      await writeFile(join(root, 'out/a/file'), 'text');

      const collected = await collect({
        outputPaths: ['out'],
        outputDirectoryFormat: reapi.Command.OutputDirectoryFormat[name],
      });

      const [output] = collected.result.outputDirectories!;
      const keys = keysOf(collected);
      assert.ok(keys.includes(Digest.fromProto(output?.rootDirectoryDigest, SHA256).key));
      assert.ok(keys.includes(Digest.fromProto(output?.treeDigest, SHA256).key));
      assert.equal(keys.length, 4);
    });
  }

  it('tells the whole working directory for an empty path (CMD-3)', async () => {
    await mkdir(join(root, 'sub'));
    await writeFile(join(root, 'sub/file'), 'text');

    const { result } = await collect({ workingDirectory: 'sub', outputDirectories: [''] });

    assert.equal(result.outputDirectories?.[0]?.path, '');
  });

  it('tells links without following them, dangling ones too, and fills the old lists by target (CMD-7, CMD-9)', async () => {
    await symlink('/etc/passwd', join(root, 'to-file'));
    await symlink('/etc', join(root, 'to-folder'));
    await symlink('nowhere', join(root, 'dangling'));

    const collected = await collect({ outputPaths: ['to-file', 'to-folder', 'dangling'] });

    const { result } = collected;
    assert.deepEqual(result.outputSymlinks, [
      { path: 'to-file', target: '/etc/passwd' },
      { path: 'to-folder', target: '/etc' },
      { path: 'dangling', target: 'nowhere' },
    ]);
    assert.deepEqual(result.outputFileSymlinks, [{ path: 'to-file', target: '/etc/passwd' }]);
    assert.deepEqual(result.outputDirectorySymlinks, [{ path: 'to-folder', target: '/etc' }]);
    assert.deepEqual([result.outputFiles, result.outputDirectories], [[], []]);
    assert.deepEqual(collected.sources, []);
  });

  it('tells links of the old fields in the old lists alone (CMD-8)', async () => {
    await symlink('/etc/passwd', join(root, 'to-file'));
    await symlink('nowhere', join(root, 'dangling'));
    await symlink('.', join(root, 'to-folder'));

    const { result, fault } = await collect({ outputFiles: ['to-file', 'dangling'], outputDirectories: ['to-folder'] });

    assert.equal(fault, undefined);
    assert.deepEqual(result.outputSymlinks, []);
    assert.deepEqual(
      result.outputFileSymlinks?.map(({ path }) => path),
      ['to-file', 'dangling'],
    );
    assert.deepEqual(
      result.outputDirectorySymlinks?.map(({ path }) => path),
      ['to-folder'],
    );
  });

  it('reports a wrong kind of the old fields as FAILED_PRECONDITION, and still all the rest (CMD-8)', async () => {
    await mkdir(join(root, 'folder'));
    await writeFile(join(root, 'file'), 'text');
    await symlink('folder', join(root, 'link'));

    const asFile = await collect({ outputFiles: ['folder', 'file'] });
    const asFolder = await collect({ outputFiles: ['file'], outputDirectories: ['file'] });
    const link = await collect({ outputFiles: ['link', 'file'] });

    for (const { result, fault } of [asFile, asFolder, link]) {
      assert.equal(fault?.code, Code.FailedPrecondition);
      assert.deepEqual(
        result.outputFiles?.map(({ path }) => path),
        ['file'],
      );
    }
    assert.match(asFile.fault!.message, /"folder" is a directory, where a file is wanted/);
  });

  it('refuses fifos, on their own and inside a directory, and still tells the rest (CMD-7)', async () => {
    await mkdir(join(root, 'out'));
    execFileSync('mkfifo', [join(root, 'pipe'), join(root, 'out/pipe')]);
    await writeFile(join(root, 'file'), 'text');

    for (const path of ['pipe', 'out']) {
      const { result, fault } = await collect({ outputPaths: [path, 'file'] });

      assert.equal(fault?.code, Code.InvalidArgument);
      assert.equal(result.outputFiles?.length, 1);
    }
  });

  it('follows no link that leads out on the way to an output (S2)', async () => {
    await mkdir(join(folder.path, 'secrets'));
    await writeFile(join(folder.path, 'secrets/key'), 'secret');
    await symlink('../secrets', join(root, 'relative'));
    await symlink(join(folder.path, 'secrets'), join(root, 'absolute'));
    await symlink('loop', join(root, 'loop'));

    for (const path of ['relative/key', 'absolute/key', 'relative/absent', 'relative/../relative/key']) {
      const { result, sources, fault } = await collect({ outputPaths: [path] });

      assert.equal(fault?.code, Code.InvalidArgument, path);
      assert.deepEqual([result.outputFiles, sources], [[], []]);
    }
    assert.equal((await collect({ outputPaths: ['loop/key'] })).fault, undefined);
  });

  it('follows a link on the way that stays inside', async () => {
    await mkdir(join(root, 'real'));
    await writeFile(join(root, 'real/file'), 'text');
    await symlink('real', join(root, 'link'));

    const { result } = await collect({ outputPaths: ['link/file'] });

    assert.deepEqual(result.outputFiles, [{ path: 'link/file', digest: text('text'), isExecutable: false }]);
  });

  it('is not fooled by a working directory that the command has replaced with a link (S2)', async () => {
    await symlink('/etc', join(root, 'sub'));

    const { sources, fault } = await collect({ workingDirectory: 'sub', outputPaths: ['passwd', ''] });

    assert.equal(fault?.code, Code.InvalidArgument);
    assert.deepEqual(sources, []);
    assert.ok((await readFile('/etc/passwd')).length > 0);
  });
});
