import { constants } from 'node:fs';
import { access, stat } from 'node:fs/promises';
import { delimiter, resolve } from 'node:path';
import { Code } from '../../common/code.js';
import { StatusError } from '../../common/status-error.js';

/** Where a bare name is searched when the Command has no PATH of its own. */
export const defaultPath = '/usr/local/bin:/usr/bin:/bin';

/**
 * Finds the program that `arguments[0]` means (CMD-1): an absolute path, a path relative to the working directory where
 * it has a slash, else a name searched in `path`. Throws INVALID_ARGUMENT whose text starts with `Command not found:` or
 * `Command not executable:`, so that a client can tell the two apart.
 */
export async function resolveProgram(name: string, cwd: string, path: string = defaultPath): Promise<string> {
  const candidates = name.includes('/') ? [resolve(cwd, name)] : searchPath(name, cwd, path);
  let blocked: string | undefined;
  for (const candidate of candidates) {
    const kind = await kindOf(candidate);
    if (kind === 'program') return candidate;
    if (kind === 'other') blocked ??= candidate;
  }
  if (blocked !== undefined) throw new StatusError(Code.InvalidArgument, `Command not executable: ${name}`);
  const where = name.includes('/') ? '' : ` (searched in ${path})`;
  throw new StatusError(Code.InvalidArgument, `Command not found: ${JSON.stringify(name)}${where}`);
}

/** As the shell does it, an empty part of PATH means the working directory. */
function searchPath(name: string, cwd: string, path: string): string[] {
  return name === '' ? [] : path.split(delimiter).map((folder) => resolve(cwd, folder, name));
}

async function kindOf(path: string): Promise<'program' | 'other' | 'nothing'> {
  try {
    if (!(await stat(path)).isFile()) return 'other';
  } catch {
    return 'nothing';
  }
  return access(path, constants.X_OK).then(
    () => 'program',
    () => 'other',
  );
}
