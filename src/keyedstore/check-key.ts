import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';

const maxKeyBytes = 1_024;

/** Throws INVALID_ARGUMENT for a key that a KeyedStore need not take. */
export function checkKey(key: string): void {
  const sizeBytes = Buffer.byteLength(key);
  if (sizeBytes <= maxKeyBytes) return;
  throw new StatusError(Code.InvalidArgument, `A key of ${sizeBytes} bytes is too long: ${maxKeyBytes} are allowed`);
}
