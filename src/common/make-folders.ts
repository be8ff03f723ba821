import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from './status-error.js';

/**
 * Makes a folder and its missing parents, and returns the first that it made; `undefined` if all were there. Node's own
 * recursive mkdir never ends below `/proc`, where what cannot be made is said not to exist.
 */
export async function makeFolders(path: string): Promise<string | undefined> {
  try {
    return await makeFolder(path);
  } catch (reason) {
    if (errnoOf(reason) !== 'ENOENT' || dirname(path) === path) throw reason;
  }
  const first = await makeFolders(dirname(path));
  // Another may have made it meanwhile.
  const made = await makeFolder(path);
  return first ?? made;
}

async function makeFolder(path: string): Promise<string | undefined> {
  try {
    await mkdir(path);
    return path;
  } catch (reason) {
    if (errnoOf(reason) === 'EEXIST' && (await stat(path)).isDirectory()) return undefined;
    throw reason;
  }
}
