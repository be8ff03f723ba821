import { readSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { errnoOf } from '../../common/status-error.js';
import type { PackSegment } from './pack-segment.js';

interface OpenSegment {
  readonly opening: Promise<FileHandle>;
  file: FileHandle | undefined;
  readers: number;
  /** Set by whoever waits for the last reader. */
  onIdle: (() => void) | undefined;
  /** So many reads go through the thread pool before one is tried on the event loop again. */
  coldReads: number;
}

/** A read that takes longer was not served from memory. */
const slowMs = 1;

/** After such a read so many are made in the thread pool. */
const coldReads = 64;

/**
 * Reads from segments, keeping a bounded number of files open.
 *
 * A read of bytes that the kernel has in memory takes a few microseconds, and a trip through the thread pool many times that, so reads
 * are made on the event loop. The price: bytes that must come from the disk keep it waiting, for some tenth of a millisecond
 * (flash) to some ten milliseconds (spinning disks). So the first read of a file that was just opened goes
 * through the thread pool, and after one that was slow the next 64 of its segment do: at most one read in 65 waits.
 */
export class SegmentReaders implements AsyncDisposable {
  readonly #maxOpen: number;
  /** In the order of last use, the oldest first. */
  readonly #open = new Map<number, OpenSegment>();

  constructor(maxOpen: number) {
    this.#maxOpen = maxOpen;
  }

  /** Returns `undefined` if the file is gone or too short. */
  async read(segment: PackSegment, offset: number, sizeBytes: number): Promise<Buffer | undefined> {
    const entry = this.#use(segment);
    entry.readers += 1;
    try {
      const file = entry.file ?? (await entry.opening);
      const buffer = Buffer.allocUnsafe(sizeBytes);
      const bytesRead =
        entry.coldReads > 0 ? await readCold(entry, file, buffer, offset) : readWarm(entry, file, buffer, offset);
      return bytesRead === sizeBytes ? buffer : undefined;
    } catch (reason) {
      if (errnoOf(reason) !== 'ENOENT') throw reason;
      return undefined;
    } finally {
      entry.readers -= 1;
      if (entry.readers === 0) entry.onIdle?.();
    }
  }

  /** Resolves when no file of the segment is about to be opened: then its name can go without disturbing a reader. */
  async settle(segment: number): Promise<void> {
    await this.#open.get(segment)?.opening.catch(() => undefined);
  }

  /** Closes the file of a segment when its last reader is done. */
  async close(segment: number): Promise<void> {
    const entry = this.#open.get(segment);
    if (!entry) return;
    this.#open.delete(segment);
    await closeWhenIdle(entry);
  }

  /** Waits for reads under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#open.keys()].map((segment) => this.close(segment)));
  }

  #use(segment: PackSegment): OpenSegment {
    const { number } = segment;
    let entry = this.#open.get(number);
    if (entry) {
      this.#open.delete(number);
    } else {
      entry = this.#start(segment);
      this.#closeOldest();
    }
    this.#open.set(number, entry);
    return entry;
  }

  #start({ number, path }: PackSegment): OpenSegment {
    const opening = open(path, 'r');
    const entry: OpenSegment = { opening, file: undefined, readers: 0, onIdle: undefined, coldReads: 1 };
    opening.then(
      (file) => (entry.file = file),
      () => {
        if (this.#open.get(number) === entry) this.#open.delete(number);
      },
    );
    return entry;
  }

  #closeOldest(): void {
    if (this.#open.size < this.#maxOpen) return;
    for (const [number, { readers }] of this.#open) {
      if (readers > 0) continue;
      void this.close(number);
      return;
    }
  }
}

async function closeWhenIdle(entry: OpenSegment): Promise<void> {
  if (entry.readers > 0) await new Promise<void>((resolve) => (entry.onIdle = resolve));
  const file = await entry.opening.catch(() => undefined);
  await file?.close();
}

function readWarm(entry: OpenSegment, file: FileHandle, buffer: Buffer, offset: number): number {
  const startMs = performance.now();
  const bytesRead = readSync(file.fd, buffer, 0, buffer.length, offset);
  if (performance.now() - startMs > slowMs) entry.coldReads = coldReads;
  return bytesRead;
}

async function readCold(entry: OpenSegment, file: FileHandle, buffer: Buffer, offset: number): Promise<number> {
  entry.coldReads -= 1;
  return (await file.read(buffer, 0, buffer.length, offset)).bytesRead;
}
