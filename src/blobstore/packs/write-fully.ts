import type { FileHandle } from 'node:fs/promises';

/** Writes all of `buffers` at `position`. What a full disk leaves out of a write is tried again, so that it says why. */
export async function writeFully(file: FileHandle, buffers: readonly Uint8Array[], position: number): Promise<void> {
  let rest = buffers;
  let written = 0;
  while (rest.length > 0) {
    const { bytesWritten } = await file.writev(rest, position + written);
    if (bytesWritten === 0) throw new RangeError('The system took none of the bytes');
    written += bytesWritten;
    rest = without(rest, bytesWritten);
  }
}

/** What is left of `buffers` without their first `count` bytes. */
function without(buffers: readonly Uint8Array[], count: number): Uint8Array[] {
  let left = count;
  let index = 0;
  for (let next = buffers[0]; next && left >= next.length; next = buffers[index]) {
    left -= next.length;
    index += 1;
  }
  const [first, ...others] = buffers.slice(index);
  return first ? [first.subarray(left), ...others] : [];
}
