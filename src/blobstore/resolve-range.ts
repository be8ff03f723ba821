import type { ChunkSource } from '../common/chunk-pool.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { Digest } from '../digest/digest.js';
import type { ByteRange } from './blob-store.js';

/** A range whose ends are known to lie within its blob. */
export interface ResolvedRange {
  readonly offset: number;
  readonly length: number;
  /** As in {@link ByteRange}. */
  readonly chunks?: ChunkSource | undefined;
}

/**
 * Places `range` on the blob `digest`. A limit beyond the end means the end. Throws OUT_OF_RANGE for an offset outside
 * of the blob and INVALID_ARGUMENT for a negative limit, whether the blob exists or not.
 */
export function resolveRange(digest: Digest, { offset = 0, limit, chunks }: ByteRange = {}): ResolvedRange {
  if (!Number.isSafeInteger(offset) || offset < 0 || offset > digest.sizeBytes) {
    throw new StatusError(
      Code.OutOfRange,
      `Offset ${offset} is outside of blob ${String(digest)}: 0 to ${digest.sizeBytes} is wanted`,
    );
  }
  const rest = digest.sizeBytes - offset;
  if (limit === undefined) return { offset, length: rest, chunks };
  if (!Number.isSafeInteger(limit) || limit < 0) {
    throw new StatusError(Code.InvalidArgument, `Limit ${limit} is negative: 0 or more bytes are wanted`);
  }
  return { offset, length: Math.min(limit, rest), chunks };
}
