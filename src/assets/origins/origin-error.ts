import type { Code } from '../../common/code.js';
import { StatusError } from '../../common/status-error.js';

/** What the origin of an asset is to blame for: told in the response, so that clients do not take it for the server's fault. */
export class OriginError extends StatusError {
  /** The URI of the request that this is about. */
  readonly uri: string;

  constructor(
    uri: string,
    code:
      | typeof Code.NotFound
      | typeof Code.PermissionDenied
      | typeof Code.DeadlineExceeded
      | typeof Code.Aborted
      | typeof Code.ResourceExhausted,
    message: string,
    options?: ErrorOptions,
  ) {
    super(code, message, options);
    this.uri = uri;
  }
}
