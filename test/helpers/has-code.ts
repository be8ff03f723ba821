import { StatusError } from '../../src/common/status-error.js';
import type { Code } from '../../src/common/code.js';

/** For `assert.rejects` and `assert.throws`: whether the reason is a StatusError of `code`. */
export function hasCode(code: Code): (reason: unknown) => boolean {
  return (reason) => {
    if (reason instanceof StatusError && reason.code === code) return true;
    throw reason;
  };
}
