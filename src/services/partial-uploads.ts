import { type Clock, systemClock } from '../common/clock.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { maxPartialUploadBytes, maxPartialUploads, maxTakeoverMs, partialUploadMs } from './limits.js';
import { PartialUpload, type StoreContent } from './partial-upload.js';
import { type Upload, wrongOffset } from './upload.js';

/** What {@link PartialUploads} may keep. */
export interface PartialUploadsOptions {
  /** How long an upload waits for its next stream. @defaultValue 5 minutes */
  readonly keepMs?: number;
  /** How many wait at a time. @defaultValue 64 */
  readonly maxCount?: number;
  /** What has come of all that wait. @defaultValue 4 GiB */
  readonly maxBytes?: number;
  /** How long a stream waits for bytes that the one before it may have sent. @defaultValue 10 s */
  readonly takeoverMs?: number;
  readonly clock?: Clock;
}

/**
 * Keeps what has come of uploads whose streams broke, so that they can go on, for a while and within a budget: the one that
 * has waited longest goes first (BS-14). Nothing of them outlives the process. Disposal drops them.
 */
export class PartialUploads implements AsyncDisposable {
  readonly #options: Required<PartialUploadsOptions>;
  readonly #all = new Set<PartialUpload>();
  readonly #byName = new Map<string, PartialUpload>();
  /** Those that wait, the oldest first, with what ends their waiting. */
  readonly #waiting = new Map<PartialUpload, AbortController>();

  constructor({
    keepMs = partialUploadMs,
    maxCount = maxPartialUploads,
    maxBytes = maxPartialUploadBytes,
    takeoverMs = maxTakeoverMs,
    clock = systemClock,
  }: PartialUploadsOptions = {}) {
    this.#options = { keepMs, maxCount, maxBytes, takeoverMs, clock };
  }

  /**
   * How many bytes have come of an upload; 0 for one that is not known (BS-15). There its next stream may begin, though a
   * stream that still seems to be there bring more meanwhile: that is no fault of the client, which asked.
   */
  committedSize(name: string): number {
    return this.#byName.get(name)?.tell() ?? 0;
  }

  /** Drops what waits under `name`, of a blob that is there by now. */
  discard(name: string): void {
    const partial = this.#byName.get(name);
    if (partial && !partial.isFed) this.#drop(partial, 'The blob is there already');
  }

  /**
   * Takes what `upload` brings for `name`: from its beginning, to be stored by `store`, or going on with what has come; then
   * a stream that brought more until now ends with ABORTED. Resolves when the blob is stored. Throws INVALID_ARGUMENT for an
   * offset at which the upload does not stand (BS-8).
   */
  async receive(name: string, upload: Upload, store: StoreContent): Promise<void> {
    const { writeOffset } = await upload.first();
    const known = this.#byName.get(name);
    if (writeOffset !== 0 && !known) throw wrongOffset(writeOffset, 0);
    if (known && writeOffset !== 0) await this.#admit(known, upload, writeOffset);
    const partial = known && writeOffset !== 0 ? known : this.#begin(name, store);
    this.#stopWaiting(partial);
    try {
      await partial.receive(upload, writeOffset);
    } finally {
      if (!partial.isFed) this.#keep(partial);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#all];
    for (const partial of all) this.#drop(partial, 'The server is stopping; try again');
    await Promise.allSettled(all.map(({ stored }) => stored));
  }

  async #admit(partial: PartialUpload, upload: Upload, offset: number): Promise<void> {
    const { clock, takeoverMs } = this.#options;
    const over = new AbortController();
    try {
      await partial.admit(upload, offset, () => clock.sleep(takeoverMs, over.signal));
    } finally {
      over.abort();
    }
  }

  /** Another stream that began under the same name, and is still there, goes on by itself. */
  #begin(name: string, store: StoreContent): PartialUpload {
    const before = this.#byName.get(name);
    if (before && !before.isFed) this.#drop(before, 'The upload was begun anew');
    const partial = new PartialUpload(name, store);
    this.#all.add(partial);
    this.#byName.set(name, partial);
    const forget = (): void => {
      this.#all.delete(partial);
      this.#forget(partial);
    };
    partial.stored.then(forget, forget);
    return partial;
  }

  /** Once the blob is stored, or has failed, there is nothing to keep. */
  #keep(partial: PartialUpload): void {
    if (!this.#all.has(partial)) return;
    if (this.#byName.get(partial.name) === partial) this.#wait(partial);
    else this.#drop(partial, 'The upload was begun anew');
  }

  #wait(partial: PartialUpload): void {
    const { clock, keepMs, maxCount, maxBytes } = this.#options;
    const over = new AbortController();
    this.#stopWaiting(partial);
    this.#waiting.set(partial, over);
    void clock.sleep(keepMs, over.signal).then(() => {
      if (!over.signal.aborted) this.#drop(partial, 'The upload was not gone on with in time');
    });
    for (const each of this.#waiting.keys()) {
      if (this.#waiting.size <= maxCount && this.#waitingBytes() <= maxBytes) return;
      this.#drop(each, 'Other uploads that were broken off need the room');
    }
  }

  #waitingBytes(): number {
    return [...this.#waiting.keys()].reduce((sum, { receivedBytes }) => sum + receivedBytes, 0);
  }

  #stopWaiting(partial: PartialUpload): void {
    this.#waiting.get(partial)?.abort();
    this.#waiting.delete(partial);
  }

  #forget(partial: PartialUpload): void {
    this.#stopWaiting(partial);
    if (this.#byName.get(partial.name) === partial) this.#byName.delete(partial.name);
  }

  /** The store may need a while to clean up, which {@link PartialUpload.stored} tells. */
  #drop(partial: PartialUpload, reason: string): void {
    this.#forget(partial);
    partial.drop(new StatusError(Code.Aborted, reason));
  }
}
