import { Code } from '../../common/code.js';
import { StatusError } from '../../common/status-error.js';

/** Bytes that are no zstd, are cut off, or need or make more than they may: INVALID_ARGUMENT where a client sent them. */
export class ZstdError extends StatusError {
  constructor(found: string, options?: ErrorOptions) {
    super(Code.InvalidArgument, `The bytes are not acceptable as zstd: ${found}`, options);
  }
}
