import { Code } from './code.js';
import { StatusError, errnoOf } from './status-error.js';

/**
 * Says what a failure of the file system means to a client: a full disk is RESOURCE_EXHAUSTED, any other trouble that
 * the system reports is UNAVAILABLE, for it may heal. What is no system error comes back as it is (U5).
 */
export function storageError(reason: unknown, doing: string): StatusError {
  const error = StatusError.from(reason);
  if (error === reason || errnoOf(reason) === undefined || error.code === Code.Cancelled) return error;
  const code = error.code === Code.Internal ? Code.Unavailable : error.code;
  return new StatusError(code, `${doing} failed: ${error.message}`, { cause: reason });
}
