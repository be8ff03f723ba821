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

/** With each Operation and BotSession the name of its instance is kept. */
const maxLength = 1_024;

/** Returns `name` if it is a legal instance name: empty, or segments joined by `/`. Throws INVALID_ARGUMENT. */
export function checkInstanceName(name: string): string {
  if (name === '') return name;
  if (name.length > maxLength) {
    throw new StatusError(
      Code.InvalidArgument,
      `Instance name ${JSON.stringify(name.slice(0, 60))}… has ${name.length} characters; at most ${maxLength} are possible`,
    );
  }
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
