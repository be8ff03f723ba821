import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';

/** A body has more than is taken; HTTP has a status of its own for it, after which clients do not try again. */
export class BodyTooLargeError extends StatusError {
  constructor(maxBytes: number) {
    super(Code.InvalidArgument, `The body is too large: at most ${maxBytes} bytes are taken`);
  }
}
