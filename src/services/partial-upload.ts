import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { Upload } from './upload.js';

/** Stores what `content` yields, as `BlobStore.write` does. */
export type StoreContent = (content: AsyncIterable<Uint8Array>, signal: AbortSignal) => Promise<void>;

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
  #upload: Upload | undefined;
  #isUploadNew = false;
  #wake: () => void = () => undefined;

  constructor(name: string, store: StoreContent) {
    this.name = name;
    this.stored = store(this.#content(), this.#over.signal);
    // Whoever brings the bytes is told; there may be nobody.
    this.stored.catch(() => undefined);
  }

  /** How many bytes have come, and where the next stream goes on. */
  get receivedBytes(): number {
    return this.#receivedBytes;
  }

  /** Whether a stream brings more. */
  get isFed(): boolean {
    return this.#upload?.isBroken === false;
  }

  /**
   * Takes what `upload` brings, which goes on at {@link receivedBytes}; a stream that still seems to be there is broken
   * off. Resolves when the blob is stored, and rejects when that fails or `upload` breaks.
   */
  async receive(upload: Upload): Promise<void> {
    this.#upload?.break(new StatusError(Code.Aborted, 'Another stream goes on with this upload'));
    this.#upload = upload;
    this.#isUploadNew = true;
    this.#wake();
    // Nothing of the upload must stay with `stored`: it holds on to its call, and that to the memory of its last message.
    const isStored = this.stored.then(() => true);
    const isBroken = upload.whenBroken.then(() => false);
    if (await Promise.race([isStored, isBroken])) return;
    if (this.#upload === upload) this.#upload = undefined;
    throw await upload.whenBroken;
  }

  /** Gives the upload up: the store keeps nothing of it. */
  drop(reason: StatusError): void {
    this.#upload?.break(reason);
    this.#over.abort(reason);
    this.#wake();
  }

  async *#content(): AsyncIterable<Uint8Array> {
    // Without variables: while this waits, they would keep what they had last.
    while (yield* this.#bytesOf(await this.#nextUpload()));
  }

  /** The bytes of one stream. Returns whether it broke. */
  async *#bytesOf(upload: Upload): AsyncGenerator<Uint8Array, boolean> {
    try {
      for await (const bytes of upload.content(this.#receivedBytes)) {
        this.#receivedBytes += bytes.length;
        yield bytes;
      }
      return false;
    } catch (reason) {
      if (!upload.isBroken) throw reason;
      return true;
    }
  }

  async #nextUpload(): Promise<Upload> {
    for (;;) {
      this.#over.signal.throwIfAborted();
      if (this.#upload && this.#isUploadNew) {
        this.#isUploadNew = false;
        return this.#upload;
      }
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
