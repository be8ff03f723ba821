import { rm } from 'node:fs/promises';
import { Code } from '../../common/code.js';
import { makeFolder, syncFolder } from '../../common/durable-folder.js';
import { type Logger, silentLogger } from '../../common/logger.js';
import { StatusError } from '../../common/status-error.js';
import { storageError } from '../../common/storage-error.js';
import { loadDigestFunctions } from '../../digest/digest-function.js';
import type { Blob } from '../blob-store.js';
import type { NewRecord } from './compose-records.js';
import { findSegments } from './find-segments.js';
import { type SegmentPart, isHinted, listRecords, recoverRecords, writeHint } from './list-records.js';
import type { ForgottenBlob, OnRecord, PackPlace, PackSegmentInfo } from './pack-place.js';
import { alignment } from './pack-record.js';
import type { PackSegment } from './pack-segment.js';
import { PackWriter } from './pack-writer.js';
import { SegmentReaders } from './segment-readers.js';

/** The largest blob that is taken. */
export const maxPackedBlobBytes = 64 * 1024;

const defaultSegmentBytes = 64 * 1024 * 1024;

/** What {@link PackFolder.open} is told. */
export interface PackFolderOptions {
  /** Made if it is missing. The caller sees to it that one process at a time has it open. */
  readonly path: string;
  /** A segment is sealed before it would become larger. @defaultValue 64 MiB */
  readonly maxSegmentBytes?: number;
  /** How many files are kept open for reading. @defaultValue 256 */
  readonly maxOpenFiles?: number;
  readonly logger?: Logger;
}

/**
 * Keeps small blobs together in files, the segments, to which records are only ever appended. All that is to be appended
 * while a write is under way goes out with the next one: one write and one flush for all of it.
 *
 * What is true of which blob is for the caller's index to know; a record counts until it is forgotten by its place or
 * its segment is dropped. So a place that {@link append} returned and that the caller has no use for, as the blob was deleted
 * meanwhile, must be forgotten, or the blob is there again after the next start. Of several records of one blob
 * the newest counts: a caller who stores a blob twice keeps the newer place, and forgets the older one. The other way
 * round the blob would be gone after the next start.
 */
export class PackFolder implements AsyncDisposable {
  readonly #path: string;
  readonly #logger: Logger;
  readonly #segments = new Map<number, PackSegment>();
  readonly #readers: SegmentReaders;
  readonly #writer: PackWriter;
  /** What the sealed segments take together; asked for at every write, so it is not summed up each time. */
  #sealedBytes: number | undefined;
  #newest: PackSegment | undefined;
  /** What {@link list} is to deliver. */
  readonly #found: readonly SegmentPart[];
  /** Hints are written one after the other, off the way of all calls. */
  #hinting = Promise.resolve();
  #isClosed = false;

  private constructor(found: readonly PackSegment[], current: PackSegment | undefined, options: PackFolderOptions) {
    const { path, maxSegmentBytes = defaultSegmentBytes, maxOpenFiles = 256, logger = silentLogger } = options;
    this.#path = path;
    this.#logger = logger;
    this.#readers = new SegmentReaders(maxOpenFiles);
    this.#found = found.map((segment) => ({ segment, end: segment.fileBytes }));
    for (const segment of found) this.#segments.set(segment.number, segment);
    this.#newest = current;
    this.#writer = new PackWriter({
      path,
      maxSegmentBytes,
      nextNumber: (found.at(-1)?.number ?? 0) + 1,
      current,
      onOpened: (segment) => {
        this.#segments.set(segment.number, segment);
        this.#newest = segment;
      },
      onSealed: (segment) => this.#seal(segment),
    });
  }

  /**
   * Opens the folder. Its segments are not read yet, but records can be appended, forgotten and read at once. Throws
   * FAILED_PRECONDITION for a folder with files that do not go together.
   */
  static async open(options: PackFolderOptions): Promise<PackFolder> {
    const { path } = options;
    try {
      await loadDigestFunctions();
      await makeFolder(path);
      const found = await findSegments(path);
      const last = found.at(-1);
      const current = last && (await canGrow(last)) ? last : undefined;
      if (current) current.isSealed = false;
      return new PackFolder(found, current, options);
    } catch (reason) {
      throw storageError(reason, `Opening the folder ${path}`);
    }
  }

  /** How many bytes all segments take on the disk. */
  get fileBytes(): number {
    this.#sealedBytes ??= [...this.#segments.values()].reduce(
      (sum, each) => sum + (each.isSealed ? each.fileBytes : 0),
      0,
    );
    const newest = this.#newest;
    return this.#sealedBytes + (newest?.isSealed === false ? newest.fileBytes : 0);
  }

  /** All segments, the oldest first. */
  segments(): readonly PackSegmentInfo[] {
    return [...this.#segments.values()].map(({ number, fileBytes, isSealed }) => ({
      number,
      fileBytes,
      isSealed: isSealed && !this.#writer.hasUntold(number),
    }));
  }

  /**
   * Delivers the records that were there when the folder was opened, in the order in which they were written, without
   * keeping the event loop for long. To be called once, and awaited before anything is dropped. Of a blob the last record
   * counts. A tombstone cancels the records of its blob that stand at its own `segment` and `offset` or before, and no
   * later ones:
   *
   * - a blob: enter it into the index, in the place of an entry that is there for it already;
   * - a tombstone: remove the entry if its place is not behind the tombstone's.
   *
   * What no hint stands for is read as a whole, and those of its records left out that do not hash to their digest. When
   * this resolves, all that was delivered is on the disk.
   */
  async list(onRecord: OnRecord): Promise<void> {
    for (const part of this.#found) {
      await this.#reading(part.segment, () => recoverRecords(part, onRecord, this.#logger));
    }
    this.#sealedBytes = undefined; // Torn ends were cut off.
  }

  /** Delivers the records of one segment, as {@link list} does; nothing for one that is not there. */
  async listSegment(number: number, onRecord: OnRecord): Promise<void> {
    const segment = this.#segments.get(number);
    if (!segment) return;
    await this.#reading(segment, () => listRecords({ segment, end: segment.fileBytes }, onRecord));
  }

  /**
   * Stores blobs of at most {@link maxPackedBlobBytes} each, and returns their places in the same order. What it is given is
   * written as it is, and must not change meanwhile. Durable when it resolves. When it rejects (RESOURCE_EXHAUSTED for a full
   * disk, UNAVAILABLE for other trouble) none of the blobs should be counted on; the next call tries anew.
   */
  async append(blobs: readonly Blob[]): Promise<readonly PackPlace[]> {
    const records = blobs.map(recordOf);
    return this.#append(records, 0);
  }

  /**
   * Keeps blobs from coming back with the next start: their records at these places, and older ones, do not count any more.
   * Records behind these places are not touched: a blob that is uploaded again while it is being forgotten stays.
   *
   * Resolves when a crash of the process cannot undo it; a power cut can, until the next {@link append} has resolved. A blob
   * that may as well come back, as one that was evicted, need not be forgotten.
   */
  async forget(blobs: readonly ForgottenBlob[]): Promise<void> {
    try {
      await this.#writer.append(blobs.map(tombstoneOf), { isDurable: false });
    } catch (reason) {
      throw storageError(reason, `Forgetting ${blobs.length} blobs in ${this.#path}`);
    }
  }

  /**
   * Reads `sizeBytes` from a place on; with an offset added to the place's this reads a part. Returns `undefined` if the segment is
   * gone or ends before: then the blob is lost. Whether the bytes are the blob's is for the caller to check. Rejects with
   * UNAVAILABLE when the disk cannot be read.
   */
  async read({ segment: number, offset }: PackPlace, sizeBytes: number): Promise<Buffer | undefined> {
    const segment = this.#segments.get(number);
    if (!segment) return undefined;
    this.#refuseIfClosed();
    try {
      return await this.#readers.read(segment, offset, sizeBytes);
    } catch (reason) {
      throw storageError(reason, `Reading ${sizeBytes} bytes at ${offset} of ${segment.path}`);
    }
  }

  /**
   * Removes a segment from the disk, durably; what it still owes the caller has appended anew before. Reads under way
   * end well, later ones find nothing. A segment that {@link segments} does not call sealed may hold records of appends under
   * way, which would go with it; if it is the newest, another one takes its place. Numbers are never used twice.
   * Tombstones in it that are needed (the segment of their blob is still there) are kept.
   */
  async drop(number: number): Promise<void> {
    const segment = this.#segments.get(number);
    if (!segment) return;
    await this.#keepTombstones(segment);
    await this.#hinting;
    try {
      await this.#readers.settle(number);
      await rm(segment.path, { force: true });
      this.#segments.delete(number);
      this.#sealedBytes = undefined;
      await rm(segment.hintPath, { force: true }).catch(() => undefined); // Alone, it is swept out at the next start.
      await syncFolder(this.#path);
    } catch (reason) {
      throw storageError(reason, `Removing ${segment.path}`);
    } finally {
      if (!this.#segments.has(number)) await this.#readers.close(number);
    }
  }

  /** Ends what is under way, and leaves the folder so that the next start need not read the segments themselves. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      await this.#writer.close();
    } finally {
      const current = [...this.#segments.values()].at(-1);
      if (current?.isSealed === false) this.#seal(current);
      await this.#hinting;
      await this.#readers[Symbol.asyncDispose]();
    }
  }

  async #append(records: readonly NewRecord[], minSegment: number): Promise<readonly PackPlace[]> {
    try {
      return await this.#writer.append(records, { isDurable: true, minSegment });
    } catch (reason) {
      throw storageError(reason, `Storing ${records.length} blobs in ${this.#path}`);
    }
  }

  /** Appends anew what a segment says about others, and sees to it that the newest segment is another one. */
  async #keepTombstones(segment: PackSegment): Promise<void> {
    const kept: NewRecord[] = [];
    await this.listSegment(segment.number, (record) => {
      const { isTombstone, fn, bytes, hashStart, sizeBytes, segment: number, offset } = record;
      if (!isTombstone || number === segment.number || !this.#segments.has(number)) return;
      const hash = bytes.toString('hex', hashStart, hashStart + fn.hexLength / 2);
      kept.push({ fn, hash, sizeBytes, data: undefined, target: { segment: number, offset } });
    });
    const isNewest = [...this.#segments.keys()].at(-1) === segment.number;
    if (kept.length > 0 || isNewest) await this.#append(kept, segment.number + 1);
  }

  #seal(segment: PackSegment): void {
    segment.isSealed = true;
    this.#sealedBytes = undefined;
    const part = { segment, end: segment.fileBytes };
    this.#hinting = this.#hinting
      .then(async () => {
        if (!(await isHinted(part))) await writeHint(part);
      })
      .catch((reason: unknown) =>
        this.#logger.warn(
          { err: reason, path: segment.path },
          'A pack segment has no hint: the next start will be slower',
        ),
      );
  }

  async #reading(segment: PackSegment, task: () => Promise<void>): Promise<void> {
    this.#refuseIfClosed();
    try {
      await task();
    } catch (reason) {
      throw storageError(reason, `Reading ${segment.path}`);
    }
  }

  #refuseIfClosed(): void {
    if (this.#isClosed) throw new StatusError(Code.Unavailable, `Folder ${this.#path} has been closed`);
  }
}

/** Whether a segment was left orderly, so that records can be appended behind its last one. */
async function canGrow(segment: PackSegment): Promise<boolean> {
  const { fileBytes } = segment;
  return fileBytes === 0 || (fileBytes % alignment === 0 && (await isHinted({ segment, end: fileBytes })));
}

function recordOf({ digest, data }: Blob): NewRecord {
  if (data.length !== digest.sizeBytes || data.length > maxPackedBlobBytes) {
    throw new StatusError(
      Code.InvalidArgument,
      `Blob ${String(digest)} has ${data.length} bytes of content; ${digest.sizeBytes} are wanted, and at most ${maxPackedBlobBytes}`,
    );
  }
  return { fn: digest.function, hash: digest.hash, sizeBytes: data.length, data, target: undefined };
}

function tombstoneOf({ digest, place }: ForgottenBlob): NewRecord {
  return { fn: digest.function, hash: digest.hash, sizeBytes: digest.sizeBytes, data: undefined, target: place };
}
