import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';

/** The priorities that a client may ask for, as Capabilities announce them; the lower, the sooner, and 0 is the default. */
export const executionPriorities = { min: -1_000, max: 1_000 } as const;

/** Throws INVALID_ARGUMENT for a priority that is not announced. */
export function checkPriority(priority: number): void {
  const { min, max } = executionPriorities;
  if (priority >= min && priority <= max) return;
  throw new StatusError(
    Code.InvalidArgument,
    `Execution priority ${priority} is out of range: ${min} (first) to ${max} (last) is possible`,
  );
}
