import assert from 'node:assert/strict';
import { stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolders } from '../../src/common/make-folders.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

describe('makeFolders', () => {
  let folder: Awaited<ReturnType<typeof temporaryDirectory>>;

  beforeEach(async () => {
    folder = await temporaryDirectory();
  });

  afterEach(() => folder[Symbol.asyncDispose]());

  it('makes all parents that are missing, and tells the first', async () => {
    const path = join(folder.path, 'a/b/c');

    assert.equal(await makeFolders(path), join(folder.path, 'a'));
    assert.ok((await stat(path)).isDirectory());
    assert.equal(await makeFolders(path), undefined);
  });

  it('takes what others make at the same time for made', async () => {
    const made = Array.from({ length: 64 }, (_, index) => makeFolders(join(folder.path, `a/b/${index % 2}`)));

    await assert.doesNotReject(Promise.all(made));
  });

  it('refuses a file in its way', async () => {
    const file = join(folder.path, 'file');
    await writeFile(file, '');

    await assert.rejects(makeFolders(file), { code: 'EEXIST' });
    await assert.rejects(makeFolders(join(file, 'below')), { code: 'ENOTDIR' });
  });

  it('ends with an error where nothing can be made', async () => {
    await assert.rejects(makeFolders('/proc/none/below'), { code: 'ENOENT' });
  });
});
