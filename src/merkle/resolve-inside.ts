import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';

/**
 * Resolves `path` against the folder `base` of an input root, by its text alone. Returns it relative to the root, which is
 * the empty path. Throws INVALID_ARGUMENT, which starts with `what`, for a path that is absolute, has a NUL or leads out
 * (CMD-3, CMD-4).
 */
export function resolveInside(base: string, path: string, what: string): string {
  const fault = (text: string): StatusError =>
    new StatusError(Code.InvalidArgument, `${what} ${JSON.stringify(path)} ${text}`);
  if (path.startsWith('/')) throw fault('is absolute: a relative path is wanted');
  if (path.includes('\0')) throw fault('has a NUL');
  const segments = base === '' ? [] : base.split('/');
  for (const segment of path.split('/')) {
    if (segment === '' || segment === '.') continue;
    if (segment !== '..') segments.push(segment);
    else if (segments.pop() === undefined) throw fault('leaves the input root');
  }
  return segments.join('/');
}
