import { mkdir, realpath, stat } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { Code } from '../../common/code.js';
import { StatusError, errnoOf } from '../../common/status-error.js';

/**
 * Makes the folder `location` below `root`, with its parents, and returns its real path. Links on the way are followed
 * only as far as they stay inside (S2). Throws INVALID_ARGUMENT, which starts with `what`, for one that leads out and for
 * what is no folder.
 */
export async function makeFolderInside(root: string, location: string, what: string): Promise<string> {
  const realRoot = await realpath(root);
  let folder = realRoot;
  for (const name of location.split('/').filter((segment) => segment !== '')) {
    const path = join(folder, name);
    try {
      await mkdir(path);
      folder = path;
    } catch (reason) {
      if (errnoOf(reason) !== 'EEXIST') throw folderError(what, location, reason);
      folder = await existingFolder(realRoot, path, `${what} ${JSON.stringify(location)}`);
    }
  }
  return folder;
}

async function existingFolder(realRoot: string, path: string, what: string): Promise<string> {
  const real = await realpath(path).catch(() => undefined);
  if (real === undefined || !isInside(realRoot, real)) {
    throw new StatusError(Code.InvalidArgument, `${what} lies behind a link that leads out of the input root`);
  }
  if ((await stat(real)).isDirectory()) return real;
  throw new StatusError(Code.InvalidArgument, `${what} needs a folder where the input root has a file`);
}

function folderError(what: string, location: string, reason: unknown): StatusError {
  if (errnoOf(reason) !== 'ENAMETOOLONG') return StatusError.from(reason);
  return new StatusError(
    Code.InvalidArgument,
    `${what} ${JSON.stringify(location)} is longer than this machine allows`,
  );
}

/**
 * Returns where `location` really is: its parent with all links resolved, its own name as it is. `undefined` if there is
 * no such parent. Throws INVALID_ARGUMENT if a link on the way leads out of `root` (S2).
 */
export async function locateInside(root: string, location: string): Promise<string | undefined> {
  const realRoot = await realpath(root);
  if (location === '') return realRoot;
  let parent: string;
  try {
    parent = await realpath(join(realRoot, dirname(location)));
  } catch (reason) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG'].includes(errnoOf(reason) ?? '')) return undefined;
    throw reason;
  }
  if (isInside(realRoot, parent)) return join(parent, location.slice(location.lastIndexOf('/') + 1));
  throw new StatusError(
    Code.InvalidArgument,
    `Output ${JSON.stringify(location)} lies behind a link that leads out of the input root`,
  );
}

function isInside(realRoot: string, real: string): boolean {
  return real === realRoot || real.startsWith(realRoot + sep);
}
