import { Code } from '../common/code.js';
import { reapi } from '../proto/index.js';
import type { rpc } from '../proto/index.js';

/** The encoded response of a Job that ended with a status and perhaps a partial result (EX-2). */
export function encodeResponse(response: reapi.ExecuteResponse.$Properties): Uint8Array {
  return reapi.ExecuteResponse.encode(response).finish();
}

/** A response of the server's own making: no result, no details, for they would make Bazel try again (section 11). */
export function failureResponse(code: Code, message: string): Uint8Array {
  const status: rpc.Status.$Properties = { code, message };
  return encodeResponse({ status });
}

/** What clients of a cancelled Operation get, never as an `Operation.error` (EX-2). */
export function cancelledResponse(): Uint8Array {
  return failureResponse(Code.Cancelled, 'The operation was cancelled');
}

/** The end of a Job that no worker could do. Not INTERNAL: that one would be tried all over again. */
export function attemptsUsedUpResponse(attempts: number, lastError: string): Uint8Array {
  return failureResponse(
    Code.FailedPrecondition,
    `Gave up after ${attempts} attempts, of which none gave a result; about the last: ${lastError}`,
  );
}
