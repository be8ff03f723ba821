import { randomUUID } from 'node:crypto';
import { lstat, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Code } from '../common/code.js';
import { StatusError, errnoOf } from '../common/status-error.js';
import { fileError } from '../merkle/digest-file.js';

/**
 * Puts what `make` creates under a temporary name beside `path` in its place, at once and whole; a file or link that is
 * there is replaced, a folder never. After a failure nothing has changed.
 */
export async function replaceFile(path: string, make: (temporaryPath: string) => Promise<void>): Promise<void> {
  await refuseFolder(path);
  const temporaryPath = join(dirname(path), `.bgd-${randomUUID()}`);
  try {
    await make(temporaryPath);
    await rename(temporaryPath, path);
  } catch (reason) {
    await rm(temporaryPath, { force: true });
    // The file itself need not be there, but its folder.
    const missing = errnoOf(reason) === 'ENOENT' ? dirname(path) : path;
    throw errnoOf(reason) === undefined ? reason : fileError(missing, reason);
  }
}

async function refuseFolder(path: string): Promise<void> {
  const isFolder = await lstat(path).then(
    (stats) => stats.isDirectory(),
    () => false, // What is wrong with the path shows when it is written.
  );
  if (!isFolder) return;
  throw new StatusError(Code.FailedPrecondition, `${path} is a folder, where a file is to be written: remove it first`);
}
