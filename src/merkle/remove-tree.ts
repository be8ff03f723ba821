import { chmod, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { errnoOf } from '../common/status-error.js';

/** Folders further down than this are moved up before they are removed, so that no path grows too long. */
const maxPathLength = 2_000;

/**
 * Removes `path` and all below it, without following links. Neither folders that forbid it nor paths longer than the
 * system takes, both of which an action may leave behind, keep it from that. An absent path is no error.
 */
export async function removeTree(path: string): Promise<void> {
  try {
    await removePlainly(path);
  } catch (reason) {
    if (!['EACCES', 'EPERM', 'ENAMETOOLONG', 'ENOTEMPTY'].includes(errnoOf(reason) ?? '')) throw reason;
    for (const each of await loosen(path)) await removePlainly(each);
  }
}

function removePlainly(path: string): Promise<void> {
  return rm(path, { recursive: true, force: true, maxRetries: 3 });
}

/** Makes every folder writable and moves deep ones up beside `root`. Returns what is to be removed now. */
async function loosen(root: string): Promise<string[]> {
  const tops = [root];
  const folders = [root];
  for (const folder of folders) {
    await chmod(folder, 0o700);
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      if (!entry.isDirectory()) continue;
      let path = join(folder, entry.name);
      if (path.length > maxPathLength) {
        const top = join(dirname(root), `.removing-${tops.length}-${process.pid}`);
        await chmod(path, 0o700);
        await rename(path, top);
        tops.push(top);
        path = top;
      }
      folders.push(path);
    }
  }
  return tops;
}
