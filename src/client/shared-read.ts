import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { Digest } from '../digest/digest.js';
import { orAborted } from '../common/or-aborted.js';

/** One blob that is being read for everybody who asked for it. It is given up when nobody wants it any more. */
export class SharedRead {
  readonly digest: Digest;
  readonly #bytes: Promise<Buffer>;
  readonly #abandoned = new AbortController();
  #succeed!: (bytes: Buffer) => void;
  #fail!: (reason: unknown) => void;
  #wantedBy = 0;

  constructor(digest: Digest) {
    this.digest = digest;
    this.#bytes = new Promise((resolve, reject) => {
      this.#succeed = resolve;
      this.#fail = reject;
    });
    // Whoever has joined learns of it; those who have left do not care.
    this.#bytes.catch(() => undefined);
  }

  /** Aborts when the last who joined has left. */
  get abandoned(): AbortSignal {
    return this.#abandoned.signal;
  }

  /** Waits for the bytes; an abort of `signal` leaves. */
  async join(signal?: AbortSignal): Promise<Buffer> {
    this.#wantedBy += 1;
    try {
      return await orAborted(this.#bytes, signal);
    } finally {
      this.#wantedBy -= 1;
      if (this.#wantedBy === 0)
        this.#abandoned.abort(new StatusError(Code.Cancelled, 'Nobody wants the blob any more'));
    }
  }

  succeed(bytes: Buffer): void {
    this.#succeed(bytes);
  }

  fail(reason: unknown): void {
    this.#fail(reason);
  }

  /** A signal for a call that reads all of `reads`: aborts when every one of them is abandoned. */
  static whileWanted(reads: readonly SharedRead[]): AbortSignal {
    const controller = new AbortController();
    let wanted = reads.length;
    for (const { abandoned } of reads) {
      abandoned.addEventListener('abort', () => {
        wanted -= 1;
        if (wanted === 0) controller.abort(abandoned.reason);
      });
    }
    return controller.signal;
  }
}
