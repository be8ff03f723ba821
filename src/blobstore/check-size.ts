import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { Digest } from '../digest/digest.js';

/** Passes `content` on and throws INVALID_ARGUMENT as soon as it is longer than `digest` says, or at its end if shorter. */
export async function* checkSize(
  digest: Digest,
  content: AsyncIterable<Uint8Array>,
  signal?: AbortSignal,
): AsyncIterable<Uint8Array> {
  let sizeBytes = 0;
  for await (const chunk of content) {
    signal?.throwIfAborted();
    sizeBytes += chunk.length;
    if (sizeBytes > digest.sizeBytes) throw sizeMismatch(digest, sizeBytes);
    yield chunk;
  }
  signal?.throwIfAborted();
  if (sizeBytes < digest.sizeBytes) throw sizeMismatch(digest, sizeBytes);
}

/** The error for content whose length is not that of its digest (DIG-2, BS-10). */
export function sizeMismatch(digest: Digest, found: number): StatusError {
  const amount = found > digest.sizeBytes ? `more, at least ${found} bytes` : `only ${found} bytes`;
  return new StatusError(
    Code.InvalidArgument,
    `Blob ${String(digest)} should have ${digest.sizeBytes} bytes, but its content has ${amount}`,
  );
}
