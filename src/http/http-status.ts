import { Code } from '../common/code.js';
import type { StatusError } from '../common/status-error.js';
import { BodyTooLargeError } from './body-too-large-error.js';

/** How HTTP says what a StatusError says. What is not here is a fault of the server. */
const statuses: ReadonlyMap<Code, number> = new Map([
  [Code.InvalidArgument, 400],
  [Code.OutOfRange, 400],
  [Code.Unauthenticated, 401],
  [Code.PermissionDenied, 403],
  [Code.NotFound, 404],
  [Code.AlreadyExists, 409],
  [Code.FailedPrecondition, 409],
  [Code.Unimplemented, 501],
  [Code.Cancelled, 503],
  [Code.Unavailable, 503],
  [Code.DeadlineExceeded, 504],
  [Code.ResourceExhausted, 507],
]);

/** The HTTP status for a failure. */
export function httpStatusOf(error: StatusError): number {
  return error instanceof BodyTooLargeError ? 413 : (statuses.get(error.code) ?? 500);
}
