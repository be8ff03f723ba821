import { closeSync, fdatasync, openSync, writeSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { promisify } from 'node:util';

/** Small chunks (Bazel sends 16 KiB) are gathered to this much before they are written. */
const gatherBytes = 256 * 1024;

/** Blobs are never changed in place. */
const mode = 0o444;

const syncData = promisify(fdatasync);

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

/** A small file that is to be written. */
export interface SmallFile {
  readonly path: string;
  readonly data: Uint8Array;
}

/**
 * Writes a few small new files and syncs them side by side; one outcome each, `undefined` for success. They are written
 * without leaving the event loop, which for small files is several times faster, so there must not be too many.
 */
export async function writeSmallFilesDurably(files: readonly SmallFile[]): Promise<readonly unknown[]> {
  const written = files.map(({ path, data }) => attempt(() => writeNow(path, data)));
  return Promise.all(
    written.map(async ({ value: fd, reason }) => {
      if (fd === undefined) return reason;
      try {
        return await syncData(fd).then(
          () => undefined,
          (failure: unknown) => failure,
        );
      } finally {
        closeSync(fd);
      }
    }),
  );
}

function writeNow(path: string, data: Uint8Array): number {
  const fd = openSync(path, 'wx', mode);
  try {
    for (let offset = 0; offset < data.length;) offset += writeSync(fd, data, offset);
    return fd;
  } catch (reason) {
    closeSync(fd);
    throw reason;
  }
}

function attempt<T>(task: () => T): { readonly value?: T; readonly reason?: unknown } {
  try {
    return { value: task() };
  } catch (reason) {
    return { reason };
  }
}
