import { chmod, lutimes, utimes } from 'node:fs/promises';
import { millisecondsOf } from '../proto/timestamp.js';
import type { reapi } from '../proto/index.js';

/** Permissions only: a tree from elsewhere makes no setuid program. */
const permissionBits = 0o777;

/** Sets the `unix_mode` and `mtime` that a node asks for, if any, on what stands at `path`; links are not followed. */
export async function applyNodeProperties(
  path: string,
  kind: 'file' | 'folder' | 'symlink',
  properties: reapi.NodeProperties.$Properties | undefined,
): Promise<void> {
  const mode = properties?.unixMode?.value;
  const mtimeMs = millisecondsOf(properties?.mtime);
  if (kind === 'symlink') {
    if (mtimeMs !== undefined) await lutimes(path, mtimeMs / 1000, mtimeMs / 1000);
    return;
  }
  if (typeof mode === 'number') await chmod(path, mode & permissionBits);
  if (mtimeMs !== undefined) await utimes(path, mtimeMs / 1000, mtimeMs / 1000);
}
