import type { FileHandle } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { errnoOf } from '../../common/status-error.js';

/**
 * Writes what a command prints to `file`, and no more than `maxBytes` of it: the rest is read and dropped, so that the
 * command goes on, and a last line says so. Resolves when the stream ends or is destroyed.
 *
 * Must be called in the same turn in which the command is started: when a process exits, Node throws away whatever it has
 * printed to a stream that nobody reads by then.
 */
export async function spoolOutput(source: Readable, file: FileHandle, maxBytes: number): Promise<void> {
  let room = maxBytes;
  let isCut = false;
  for await (const chunk of untilDestroyed(source)) {
    const kept = chunk.subarray(0, room);
    isCut ||= kept.length < chunk.length;
    room -= kept.length;
    if (kept.length > 0) await file.writeFile(kept);
  }
  if (isCut) await file.writeFile(`\n[bgd: the output was cut here, after ${maxBytes} bytes]\n`);
}

async function* untilDestroyed(source: Readable): AsyncIterable<Buffer> {
  try {
    yield* source as AsyncIterable<Buffer>;
  } catch (reason) {
    if (errnoOf(reason) !== 'ERR_STREAM_PREMATURE_CLOSE') throw reason;
  }
}
