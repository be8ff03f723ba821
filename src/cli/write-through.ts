import { pipeline } from 'node:stream/promises';
import { errnoOf } from '../common/status-error.js';

/**
 * Writes `content` to a standard stream no faster than its reader takes it. The stream stays open. A reader that has had
 * enough, such as head(1), is no failure.
 */
export async function writeThrough(
  content: AsyncIterable<Uint8Array>,
  stream: NodeJS.WritableStream,
  signal?: AbortSignal,
): Promise<void> {
  try {
    await pipeline(content, stream, { end: false, ...(signal && { signal }) });
  } catch (reason) {
    if (errnoOf(reason) !== 'EPIPE') throw reason;
  }
}
