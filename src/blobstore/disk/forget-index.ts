import { readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf } from '../../common/status-error.js';

/**
 * Removes what a disk store's folder says of its blobs besides the blobs themselves: whoever opens it next reads every pack
 * segment as a whole. In which order blobs were used is kept. The folder must not be open.
 */
export async function forgetIndex(path: string): Promise<void> {
  const packs = join(path, 'packs');
  for (const name of await namesIn(packs)) {
    if (name.endsWith('.hint')) await unlink(join(packs, name));
  }
}

async function namesIn(path: string): Promise<readonly string[]> {
  try {
    return await readdir(path);
  } catch (reason) {
    if (errnoOf(reason) === 'ENOENT') return [];
    throw reason;
  }
}
