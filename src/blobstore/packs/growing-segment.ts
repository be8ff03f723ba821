import { type FileHandle, open, unlink } from 'node:fs/promises';
import { syncFolder } from '../../common/durable-folder.js';
import { ComposeMemory, type NewRecord, composeRecords } from './compose-records.js';
import { PackSegment, drawSalt } from './pack-segment.js';
import { writeFully } from './write-fully.js';

/** The segment that records are being appended to. Not to be used by two at once. */
export class GrowingSegment {
  readonly segment: PackSegment;
  readonly #file: FileHandle;
  readonly #memory = new ComposeMemory();
  #recordCount = 0;
  #isDirty = false;
  #isBroken = false;

  private constructor(segment: PackSegment, file: FileHandle) {
    this.segment = segment;
    this.#file = file;
    segment.isSealed = false;
  }

  /** Makes a new one, whose name is on the disk when it resolves. When it rejects there is none. */
  static async create(folder: string, number: number): Promise<GrowingSegment> {
    const segment = new PackSegment(folder, { number, salt: drawSalt() });
    const file = await open(segment.path, 'wx');
    try {
      await syncFolder(folder);
      return new GrowingSegment(segment, file);
    } catch (reason) {
      await file.close();
      await unlink(segment.path).catch(() => undefined); // An empty segment does no harm.
      throw reason;
    }
  }

  /** Goes on with a segment whose file ends where its records do. */
  static async adopt(segment: PackSegment): Promise<GrowingSegment> {
    return new GrowingSegment(segment, await open(segment.path, 'r+'));
  }

  /** How many records were appended since it was made or adopted. */
  get recordCount(): number {
    return this.#recordCount;
  }

  /** Whether nothing must be added any more, because the state of the file is not known. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /**
   * Appends records, flushed if wanted, and returns the offsets of their data. When it rejects, what was written of them is cut off
   * again; if that fails too, or if it was the flush that failed, the segment is broken: after a failed flush the
   * kernel takes the pages for clean, so that a later one proves nothing.
   */
  async append(records: readonly NewRecord[], isDurable: boolean): Promise<readonly number[]> {
    const { buffers, offsets, sizeBytes } = composeRecords(records, this.segment, this.#memory);
    try {
      await writeFully(this.#file, buffers, this.segment.fileBytes);
      this.#isDirty = true;
      if (isDurable) await this.flush();
    } catch (reason) {
      await this.#cutOff();
      throw reason;
    }
    this.segment.fileBytes += sizeBytes;
    this.#recordCount += records.length;
    return offsets;
  }

  /** Brings everything to the disk that is not there yet. */
  async flush(): Promise<void> {
    if (!this.#isDirty || this.#isBroken) return;
    try {
      await this.#file.datasync();
      this.#isDirty = false;
    } catch (reason) {
      this.#isBroken = true;
      throw reason;
    }
  }

  /** Ends the appending. */
  async close(): Promise<void> {
    await this.#file.close();
  }

  async #cutOff(): Promise<void> {
    try {
      await this.#file.truncate(this.segment.fileBytes);
    } catch {
      this.#isBroken = true;
    }
  }
}
