import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';

/** Segments that resource names give a meaning to, so that no instance may have them (INST-1). */
const reserved = new Set([
  'blobs',
  'uploads',
  'actions',
  'actionResults',
  'operations',
  'capabilities',
  'compressed-blobs',
]);

/** Returns `name` if it is a legal instance name: empty, or segments joined by `/`. Throws INVALID_ARGUMENT. */
export function checkInstanceName(name: string): string {
  if (name === '') return name;
  for (const segment of name.split('/')) {
    if (segment === '' || reserved.has(segment)) {
      throw new StatusError(
        Code.InvalidArgument,
        `Instance name ${JSON.stringify(name)} has the segment ${JSON.stringify(segment)}, which is ${segment === '' ? 'empty' : 'reserved'}`,
      );
    }
  }
  return name;
}
