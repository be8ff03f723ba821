import { bytestream } from '../../src/proto/index.js';

/** A message of an upload, as it is to be encoded. */
export type WriteMessage = bytestream.WriteRequest.$Properties;

/** The messages of an upload's stream, which the test sends one by one. */
export class Messages implements AsyncIterable<bytestream.WriteRequest> {
  readonly #queue: (WriteMessage | Error)[] = [];
  #wake: () => void = () => undefined;
  #isEnded = false;

  /** Whether the service has asked for all that was sent. */
  get isTaken(): boolean {
    return this.#queue.length === 0;
  }

  send(message: WriteMessage): void {
    this.#queue.push(message);
    this.#wake();
  }

  /** The connection is lost. */
  fail(): void {
    this.#queue.push(new Error('connection reset'));
    this.#wake();
  }

  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<bytestream.WriteRequest> {
    for (;;) {
      const next = this.#queue.shift();
      if (next instanceof Error) throw next;
      if (next) yield bytestream.WriteRequest.create(next);
      else if (this.#isEnded) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
