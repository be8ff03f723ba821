import type { FileHandle } from 'node:fs/promises';
import type { ChunkSource } from '../../common/chunk-pool.js';
import { Code } from '../../common/code.js';
import { StatusError } from '../../common/status-error.js';
import type { ResolvedRange } from '../resolve-range.js';

const chunkBytes = 1024 * 1024;

/** For readers that bring no memory. */
const ownChunks: ChunkSource = { take: (maxBytes) => Buffer.allocUnsafe(Math.min(chunkBytes, maxBytes)) };

/** Reads a part of a file in chunks of up to 1 MiB, the next one while the last is consumed. Does not close the file. */
export async function* readFileRange(
  file: FileHandle,
  { offset, length, chunks = ownChunks }: ResolvedRange,
  signal?: AbortSignal,
): AsyncIterable<Uint8Array> {
  const end = offset + length;
  let next = offset < end ? readChunk(file, offset, chunks.take(length)) : undefined;
  let position = offset;
  try {
    while (next) {
      const chunk = await next;
      signal?.throwIfAborted();
      position += chunk.length;
      next = position < end ? readChunk(file, position, chunks.take(end - position)) : undefined;
      next?.catch(() => undefined); // Awaited in the next round, which the consumer may let come late or never.
      yield chunk;
    }
  } finally {
    // The file is closed by the caller, which must not happen under a read.
    await next?.catch(() => undefined);
  }
}

async function readChunk(file: FileHandle, position: number, buffer: Buffer): Promise<Uint8Array> {
  const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
  if (bytesRead === 0) throw new StatusError(Code.DataLoss, `The file ended at ${position}, more bytes are wanted`);
  return buffer.subarray(0, bytesRead);
}
