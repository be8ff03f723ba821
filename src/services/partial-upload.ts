import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { type Upload, wrongOffset } from './upload.js';

/** Stores what `content` yields, as `BlobStore.write` does. */
export type StoreContent = (content: AsyncIterable<Uint8Array>, signal: AbortSignal) => Promise<void>;

/** A stream that wants to go on where the one before it has not come to yet. */
interface Claim {
  readonly upload: Upload;
  readonly offset: number;
  /** Told whether bytes have come up to `offset`. */
  readonly settle: (isReached: boolean) => void;
}

/**
 * A blob on its way to a store, brought by one stream after another. While none of them is there, the store just waits for
 * more: it has the bytes that have come, wherever it puts them, and nothing is to be read again.
 */
export class PartialUpload {
  readonly name: string;
  /** Settles with the store's write. */
  readonly stored: Promise<void>;
  readonly #over = new AbortController();
  #receivedBytes = 0;
  /** Where the stream of the moment stands: behind {@link #receivedBytes} while it repeats what has come already. */
  #position = 0;
  #toldBytes = 0;
  #upload: Upload | undefined;
  #start = 0;
  #isUploadNew = false;
  #isReading = false;
  /** Whether all bytes have come, and only the store has something to do. */
  #isWhole = false;
  #claim: Claim | undefined;
  #wake: () => void = () => undefined;

  constructor(name: string, store: StoreContent) {
    this.name = name;
    this.stored = store(this.#content(), this.#over.signal);
    // Whoever brings the bytes is told; there may be nobody.
    this.stored.then(
      () => this.#claim?.settle(true),
      () => this.#claim?.settle(false),
    );
  }

  /** How many bytes have come. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** Whether no stream has to come: one brings more, or all bytes are there. */
  get isFed(): boolean {
    return this.#isWhole || this.#upload?.isBroken === false;
  }

  /** Says how many bytes have come, and keeps the word: the next stream may go on there though more come meanwhile (BS-8). */
  tell(): number {
    return (this.#toldBytes = this.#receivedBytes);
  }

  /**
   * Resolves once `upload` may go on at `offset`: where the upload stands, or was last said to stand. A stream that still
   * seems to be there may have bytes on their way: they are waited for until `timeUp` resolves. Of those who wait the last counts.
   * Throws INVALID_ARGUMENT for another offset, without changing anything (BS-8).
   */
  async admit(upload: Upload, offset: number, timeUp: () => Promise<void>): Promise<void> {
    if (this.#isWhole || this.#standsAt(offset)) return;
    if (this.#mayReach(offset) && (await this.#reach(upload, offset, timeUp()))) return;
    if (upload.isBroken) throw await upload.whenBroken;
    throw wrongOffset(offset, this.#receivedBytes);
  }

  /**
   * Takes what `upload` brings, which goes on at the `offset` that was admitted; a stream that still seems to be there is
   * broken off. Resolves when the blob is stored, and rejects when that fails or `upload` breaks.
   */
  async receive(upload: Upload, offset: number): Promise<void> {
    if (!this.#isWhole) this.#takeOver(upload, offset);
    // Nothing of the upload must stay with `stored`: it holds on to its call, and that to the memory of its last message.
    const isStored = this.stored.then(() => true);
    const isBroken = upload.whenBroken.then(() => false);
    if (await Promise.race([isStored, isBroken])) return;
    if (this.#upload === upload) this.#upload = undefined;
    throw await upload.whenBroken;
  }

  /** Gives the upload up: the store keeps nothing of it. */
  drop(reason: StatusError): void {
    this.#claim?.upload.break(reason);
    this.#upload?.break(reason);
    this.#over.abort(reason);
    this.#wake();
  }

  #takeOver(upload: Upload, offset: number): void {
    const reason = new StatusError(Code.Aborted, 'Another stream goes on with this upload');
    this.#claim?.upload.break(reason);
    this.#upload?.break(reason);
    this.#upload = upload;
    this.#start = offset;
    this.#isUploadNew = true;
    this.#wake();
  }

  #standsAt(offset: number): boolean {
    return offset === this.#receivedBytes || offset === this.#toldBytes || offset === this.#position;
  }

  #mayReach(offset: number): boolean {
    const isBrought = this.#isReading || (this.#isUploadNew && this.#upload !== undefined);
    return isBrought && offset > this.#position;
  }

  async #reach(upload: Upload, offset: number, timeUp: Promise<void>): Promise<boolean> {
    this.#claim?.upload.break(new StatusError(Code.Aborted, 'Another stream waits to go on with this upload'));
    let claim: Claim | undefined;
    const isReached = new Promise<boolean>((settle) => (claim = { upload, offset, settle }));
    this.#claim = claim;
    const isGivenUp = Promise.race([timeUp, upload.whenBroken]).then(() => false);
    const isAdmitted = await Promise.race([isReached, isGivenUp]);
    if (this.#claim === claim) this.#claim = undefined;
    return isAdmitted && !upload.isBroken;
  }

  /** Tells the stream that waits whether what it waits for has come, or cannot come any more. */
  #settleClaim(): void {
    if (!this.#claim) return;
    const { offset, settle } = this.#claim;
    if (this.#isWhole || this.#standsAt(offset)) settle(true);
    else if (!this.#mayReach(offset)) settle(false);
  }

  async *#content(): AsyncIterable<Uint8Array> {
    // Without variables: while this waits, they would keep what they had last.
    while (yield* this.#bytesOf(await this.#nextUpload()));
  }

  /** The bytes of one stream, but for those that have come before. Returns whether it broke. */
  async *#bytesOf(upload: Upload): AsyncGenerator<Uint8Array, boolean> {
    this.#position = this.#start;
    try {
      for await (const bytes of upload.content(this.#start)) {
        const fresh = this.#count(bytes);
        if (fresh.length > 0) yield fresh;
      }
      if (this.#position < this.#receivedBytes) throw endsTooSoon(this.#position, this.#receivedBytes);
      this.#isWhole = true;
      return false;
    } catch (reason) {
      if (!upload.isBroken) throw reason;
      return true;
    } finally {
      this.#isReading = false;
      this.#settleClaim();
    }
  }

  /** What of `bytes` has not come before. Who repeats something else than that fails in the end, by the hash. */
  #count(bytes: Uint8Array): Uint8Array {
    this.#position += bytes.length;
    const freshBytes = Math.max(0, this.#position - this.#receivedBytes);
    this.#receivedBytes += freshBytes;
    this.#settleClaim();
    return freshBytes === bytes.length ? bytes : bytes.subarray(bytes.length - freshBytes);
  }

  async #nextUpload(): Promise<Upload> {
    for (;;) {
      this.#over.signal.throwIfAborted();
      if (this.#upload && this.#isUploadNew) {
        this.#isUploadNew = false;
        this.#isReading = true;
        return this.#upload;
      }
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

function endsTooSoon(found: number, wanted: number): StatusError {
  return new StatusError(
    Code.InvalidArgument,
    `The upload ended after ${found} bytes, of which ${wanted} have come before`,
  );
}
