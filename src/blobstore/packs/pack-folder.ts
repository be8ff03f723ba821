import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolder } from '../../common/durable-folder.js';
import { type Logger, silentLogger } from '../../common/logger.js';
import { storageError } from '../../common/storage-error.js';
import { loadDigestFunctions, SHA256 } from '../../digest/digest-function.js';
import type { Blob } from '../blob-store.js';
import type { ForgottenBlob, OnRecord, PackPlace, PackSegmentInfo } from './pack-place.js';
import { type DecodedHeader, aligned, decodeHeader, encodeHeader, headerBytes, packedBytes } from './pack-record.js';

/** The largest blob that is taken. */
export const maxPackedBlobBytes = 64 * 1024;

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
 * its segment is dropped. So a place that {@link append} returned and that the caller has no use for (somebody else was quicker,
 * the blob was deleted meanwhile) must be forgotten, or the blob is there again after the next start.
 */
export class PackFolder implements AsyncDisposable {
  readonly #file: FileHandle;
  readonly #salt = 1;
  #fileBytes = 0;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /**
   * Opens the folder; segments are not read yet. Records can be appended, forgotten and read at once; they go to another
   * segment than those that {@link list} reads.
   */
  static async open({ path, logger = silentLogger }: PackFolderOptions): Promise<PackFolder> {
    await loadDigestFunctions();
    try {
      await makeFolder(path);
      const folder = new PackFolder(await open(join(path, '00000001.pack'), 'a+'));
      folder.#fileBytes = (await folder.#file.stat()).size;
      return folder;
    } catch (reason) {
      logger.error({ err: reason }, 'Cannot open the folder');
      throw storageError(reason, `Opening the folder ${path}`);
    }
  }

  /** How many bytes all segments take on the disk. */
  get fileBytes(): number {
    return this.#fileBytes;
  }

  /** All segments, the oldest first; the last one is the one that records are appended to. */
  segments(): readonly PackSegmentInfo[] {
    return [{ number: 1, fileBytes: this.#fileBytes, isSealed: false }];
  }

  /**
   * Delivers the records that were there when the folder was opened, in the order in which they were written, without
   * keeping the event loop for long. To be called once, before anything is dropped. Of a blob the last record counts. A
   * tombstone cancels the records of its blob that stand at its own `segment` and `offset` or before, and no later ones:
   *
   * - a blob: enter it into the index, in the place of an entry that is there for it already;
   * - a tombstone: remove the entry if its place is not behind the tombstone's.
   *
   * A segment that was not closed orderly is read as a whole, and those of its records left out that do not hash to their
   * digest. What is delivered is on the disk.
   */
  async list(onRecord: OnRecord): Promise<void> {
    await this.listSegment(1, onRecord);
  }

  /** Delivers the records of one segment, as {@link list} does; nothing for one that is not there. */
  async listSegment(segment: number, onRecord: OnRecord): Promise<void> {
    const bytes = Buffer.alloc(this.#fileBytes);
    await this.#file.read(bytes, 0, bytes.length, 0);
    const header: DecodedHeader = {
      fn: SHA256,
      isTombstone: false,
      sizeBytes: 0,
      targetSegment: 0,
      targetOffset: 0,
      headLength: 0,
    };
    for (let start = 0; decodeHeader(bytes, start, { salt: this.#salt, offset: start }, header);) {
      const { isTombstone, fn, sizeBytes, targetSegment, targetOffset, headLength } = header;
      onRecord({
        isTombstone,
        fn,
        bytes,
        hashStart: start + headerBytes,
        sizeBytes,
        segment: isTombstone ? targetSegment : segment,
        offset: isTombstone ? targetOffset : start + headLength,
      });
      start = aligned(start + headLength + (isTombstone ? 0 : sizeBytes));
    }
  }

  /**
   * Stores blobs of at most {@link maxPackedBlobBytes} each, and returns their places in the same order. What it is given is
   * written as it is, and must not change meanwhile. Durable when it resolves. When it rejects (RESOURCE_EXHAUSTED for a full
   * disk, UNAVAILABLE for other trouble) none of the blobs should be counted on; the next call tries anew.
   */
  async append(blobs: readonly Blob[]): Promise<readonly PackPlace[]> {
    const places: PackPlace[] = [];
    for (const { digest, data } of blobs) {
      const offset = this.#fileBytes;
      const bytes = Buffer.alloc(packedBytes(digest.function, data.length));
      const header = { fn: digest.function, hash: digest.hash, sizeBytes: data.length };
      const dataStart = encodeHeader(header, { salt: this.#salt, offset }, bytes, 0);
      bytes.set(data, dataStart);
      this.#fileBytes += bytes.length;
      await this.#file.appendFile(bytes);
      places.push({ segment: 1, offset: offset + dataStart });
    }
    await this.#file.datasync();
    return places;
  }

  /**
   * Keeps blobs from coming back with the next start: their records at these places, and older ones, do not count any more.
   * Records behind these places are not touched: a blob that is uploaded again while it is being forgotten stays.
   *
   * Resolves when a crash of the process cannot undo it; a power cut can, until the next {@link append} has resolved. A blob
   * that may as well come back, as one that was evicted, need not be forgotten.
   */
  async forget(blobs: readonly ForgottenBlob[]): Promise<void> {
    for (const { digest, place } of blobs) {
      const bytes = Buffer.alloc(packedBytes(digest.function, 0));
      const header = { fn: digest.function, hash: digest.hash, sizeBytes: digest.sizeBytes, target: place };
      encodeHeader(header, { salt: this.#salt, offset: this.#fileBytes }, bytes, 0);
      this.#fileBytes += bytes.length;
      await this.#file.appendFile(bytes);
    }
  }

  /**
   * Reads `sizeBytes` from a place on; with an offset added to the place's this reads a part. Returns `undefined` if the segment is
   * gone or ends before: then the blob is lost. Whether the bytes are the blob's is for the caller to check. Rejects with
   * UNAVAILABLE when the disk cannot be read.
   */
  async read({ offset }: PackPlace, sizeBytes: number): Promise<Buffer | undefined> {
    const { buffer, bytesRead } = await this.#file.read(Buffer.allocUnsafe(sizeBytes), 0, sizeBytes, offset);
    return bytesRead === sizeBytes ? buffer : undefined;
  }

  /**
   * Removes a segment from the disk, durably; what it still owes the caller has appended anew before. Reads under way
   * end well, later ones find nothing. The newest segment may be dropped, too: another one takes its place. Numbers are never
   * used twice. Tombstones in it that are needed (the segment of their blob is still there) are kept.
   */
  async drop(segment: number): Promise<void> {
    if (segment !== 1) return;
    await this.#file.truncate();
    this.#fileBytes = 0;
  }

  /** Ends what is under way and leaves the folder so that the next start need not read the segments themselves. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}
