import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmod, mkdir, readFile, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { removeTree } from '../../src/merkle/remove-tree.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

describe('removeTree', () => {
  it('removes folders that forbid it, without following links', async () => {
    await using folder = await temporaryDirectory();
    const root = join(folder.path, 'root');
    await mkdir(join(root, 'a/b'), { recursive: true });
    await writeFile(join(root, 'a/b/file'), 'x');
    await mkdir(join(folder.path, 'outside'), { mode: 0o755 });
    await writeFile(join(folder.path, 'outside/kept'), 'kept');
    await symlink('../../outside', join(root, 'a/link'));
    await chmod(join(root, 'a/b'), 0);
    await chmod(join(root, 'a'), 0o500);

    await removeTree(root);

    assert.deepEqual(await readdir(folder.path), ['outside']);
    assert.equal(await readFile(join(folder.path, 'outside/kept'), 'utf8'), 'kept');
  });

  it('removes folders so deep that no path reaches their ground', async () => {
    await using folder = await temporaryDirectory();
    // A shell that walks down makes what no single path can name.
    execFileSync(
      'sh',
      [
        '-c',
        `mkdir root && cd root && n=${'n'.repeat(200)} && i=0 && while [ $i -lt 60 ]; do mkdir $n && cd -P $n && echo x > f; i=$((i+1)); done`,
      ],
      { cwd: folder.path },
    );

    await removeTree(join(folder.path, 'root'));

    assert.deepEqual(await readdir(folder.path), []);
  });

  it('does not mind an absent path', async () => {
    await using folder = await temporaryDirectory();

    await removeTree(join(folder.path, 'absent'));
  });
});
