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
    const broken = upload.whenBroken.then((reason) => {
      throw reason;
    });
    await Promise.race([this.stored, broken]);
  }

  /** Gives the upload up: the store keeps nothing of it. */
  drop(reason: StatusError): void {
    this.#upload?.break(reason);
    this.#over.abort(reason);
    this.#wake();
  }

  async *#content(): AsyncIterable<Uint8Array> {
    for (;;) {
      const upload = await this.#nextUpload();
      try {
        for await (const bytes of upload.content(this.#receivedBytes)) {
          this.#receivedBytes += bytes.length;
          yield bytes;
        }
        return;
      } catch (reason) {
        if (!upload.isBroken) throw reason;
      }
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
