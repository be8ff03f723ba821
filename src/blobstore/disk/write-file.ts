import { type FileHandle, open } from 'node:fs/promises';

/** Small chunks (Bazel sends 16 KiB) are gathered to this much before they are written. */
const gatherBytes = 256 * 1024;

/** Blobs are never changed in place. */
const mode = 0o444;

/** Writes `content` to the new file `path` and syncs it. The next chunks are fetched while the last are written. */
export async function writeFileDurably(path: string, content: AsyncIterable<Uint8Array>): Promise<void> {
  const file = await open(path, 'wx', mode);
  try {
    let gathered: Uint8Array[] = [];
    let sizeBytes = 0;
    let writing = Promise.resolve();
    try {
      for await (const chunk of content) {
        gathered.push(chunk);
        sizeBytes += chunk.length;
        if (sizeBytes < gatherBytes) continue;
        await writing;
        writing = writeAll(file, gathered);
        writing.catch(() => undefined); // Awaited before the next write, which may come after a rejection.
        gathered = [];
        sizeBytes = 0;
      }
    } finally {
      await writing;
    }
    await writeAll(file, gathered);
    await file.datasync();
  } finally {
    await file.close();
  }
}

async function writeAll(file: FileHandle, chunks: readonly Uint8Array[]): Promise<void> {
  let rest = chunks.filter((chunk) => chunk.length > 0);
  while (rest.length > 0) {
    const { bytesWritten } = await file.writev(rest);
    rest = without(rest, bytesWritten);
  }
}

/** What is left of `chunks` behind their first `count` bytes. */
function without(chunks: readonly Uint8Array[], count: number): Uint8Array[] {
  let skip = count;
  return chunks.flatMap((chunk) => {
    const taken = Math.min(skip, chunk.length);
    skip -= taken;
    return taken < chunk.length ? [chunk.subarray(taken)] : [];
  });
}
