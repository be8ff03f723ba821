import type { Transform } from 'node:stream';

/**
 * Drives a Transform one piece at a time: what it makes of each is there before the next goes in, so that never more is
 * in memory than one piece makes. Disposing of it frees what the stream holds.
 */
export class TransformPump implements Disposable {
  readonly #stream: Transform;
  readonly #output: Uint8Array[] = [];
  #failure: Error | undefined;
  #fail: ((failure: Error) => void) | undefined;

  constructor(stream: Transform) {
    this.#stream = stream;
    stream.on('readable', () => this.#drain());
    // The streams of node:zlib tell of damage only here, and leave the callback of a write uncalled.
    stream.on('error', (failure) => {
      this.#failure = failure;
      this.#fail?.(failure);
    });
  }

  /** What `piece` adds to the output. The last of it may come with the next call. */
  push(piece: Uint8Array): Promise<Uint8Array[]> {
    return this.#settle((done) => this.#stream.write(piece, done));
  }

  /** Ends the stream; what was left of the output. */
  finish(): Promise<Uint8Array[]> {
    return this.#settle((done) => {
      this.#stream.once('end', done);
      this.#stream.end();
    });
  }

  [Symbol.dispose](): void {
    this.#stream.destroy();
  }

  #settle(start: (done: (failure?: Error | null) => void) => void): Promise<Uint8Array[]> {
    return new Promise((resolve, reject) => {
      this.#fail = reject;
      if (this.#failure) reject(this.#failure);
      else start((failure) => (failure ? reject(failure) : resolve(this.#take())));
    });
  }

  #take(): Uint8Array[] {
    this.#drain();
    return this.#output.splice(0);
  }

  #drain(): void {
    for (let chunk: unknown = this.#stream.read(); chunk !== null; chunk = this.#stream.read()) {
      this.#output.push(chunk as Uint8Array);
    }
  }
}
