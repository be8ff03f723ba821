import { Code } from '../common/code.js';

const ofTheRequest = new Set<Code>([
  Code.NotFound,
  Code.InvalidArgument,
  Code.OutOfRange,
  Code.Cancelled,
  Code.DeadlineExceeded,
]);

/** Whether a failure with `code` says something about the store, rather than about the blob or the caller. */
export function isTrouble(code: Code): boolean {
  return !ofTheRequest.has(code);
}
