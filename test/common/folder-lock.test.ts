import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Code } from '../../src/common/code.js';
import { FolderLock } from '../../src/common/folder-lock.js';
import { hasCode } from '../helpers/has-code.js';
import { temporaryDirectory } from '../helpers/temporary-directory.js';

/** Locks the folder in its argument, says so, and waits. */
const holder = `
  const { FolderLock } = await import(${JSON.stringify(new URL('../../src/common/folder-lock.js', import.meta.url).href)});
  await FolderLock.acquire(process.argv[1]);
  process.stdout.write('locked');
  setInterval(() => undefined, 1000);
`;

describe('FolderLock', () => {
  let folder: Awaited<ReturnType<typeof temporaryDirectory>>;

  beforeEach(async () => {
    folder = await temporaryDirectory();
  });

  afterEach(() => folder[Symbol.asyncDispose]());

  it('refuses a second holder in the same process until the first lets go', async () => {
    const first = await FolderLock.acquire(folder.path);

    await assert.rejects(FolderLock.acquire(folder.path), /in use by this process/);
    await first[Symbol.asyncDispose]();

    await (await FolderLock.acquire(folder.path))[Symbol.asyncDispose]();
  });

  it('lets exactly one of many win that come at the same time', async () => {
    const attempts = await Promise.allSettled(Array.from({ length: 8 }, () => FolderLock.acquire(folder.path)));

    const winners = attempts.flatMap((attempt) => (attempt.status === 'fulfilled' ? [attempt.value] : []));
    assert.equal(winners.length, 1);
    await winners[0]![Symbol.asyncDispose]();
  });

  it('names the process that holds the folder, and is free as soon as that is killed', async () => {
    const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', holder, folder.path], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');

    await assert.rejects(FolderLock.acquire(folder.path), (reason: Error) => {
      assert.match(reason.message, new RegExp(`in use by process ${child.pid}:`));
      return hasCode(Code.FailedPrecondition)(reason);
    });
    child.kill('SIGKILL');
    await once(child, 'close');

    const lock = await FolderLock.acquire(folder.path);
    assert.equal(await readFile(join(folder.path, 'lock'), 'utf8'), `${process.pid}\n`);
    await lock[Symbol.asyncDispose]();
  });

  it('is not deceived by a lock file that names a living process but is not locked', async () => {
    await writeFile(join(folder.path, 'lock'), `${process.ppid}\n`);

    await (await FolderLock.acquire(folder.path))[Symbol.asyncDispose]();
  });

  it('does not need the PATH to name the folders of the system', async () => {
    const { PATH } = process.env;
    process.env['PATH'] = folder.path;
    try {
      await (await FolderLock.acquire(folder.path))[Symbol.asyncDispose]();
    } finally {
      process.env['PATH'] = PATH;
    }
  });

  it('says what is missing where there is no flock command', async () => {
    await assert.rejects(FolderLock.acquire(folder.path, 'no-such-flock'), (reason: Error) => {
      assert.match(reason.message, /there is no no-such-flock command in the PATH/);
      return hasCode(Code.FailedPrecondition)(reason);
    });
  });
});
