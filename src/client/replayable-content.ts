import { SeekableContent } from './seekable-content.js';

/** A stream that can be read only once is kept in memory so far back. */
const windowBytes = 4 * 1024 * 1024;

/**
 * Content that an upload may have to read again. {@link SeekableContent} is read again from anywhere; of any other
 * content the last few MiB are kept. Disposing of it closes what it reads from.
 */
export class ReplayableContent implements Disposable {
  readonly #seekable: SeekableContent | undefined;
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #kept: Uint8Array[] = [];
  #keptFrom = 0;
  #pulledTo = 0;
  #pulling: Promise<boolean> | undefined;
  #failure: { readonly reason: unknown } | undefined;

  constructor(content: AsyncIterable<Uint8Array>) {
    this.#seekable = content instanceof SeekableContent ? content : undefined;
    this.#source = content[Symbol.asyncIterator]();
  }

  /** What the content itself failed with: then there is no use in reading it again. */
  get failure(): { readonly reason: unknown } | undefined {
    return this.#failure;
  }

  /** Whether {@link from} can start there. */
  canStartAt(offset: number): boolean {
    return this.#seekable !== undefined || (offset >= this.#keptFrom && offset <= this.#pulledTo);
  }

  /** The bytes behind the first `offset`. */
  async *from(offset: number): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* this.#seekable ? this.#seekable.from(offset) : this.#replayFrom(offset);
    } catch (reason) {
      this.#failure = { reason };
      throw reason;
    }
  }

  async *#replayFrom(offset: number): AsyncGenerator<Uint8Array, void, undefined> {
    for (let position = offset; ;) {
      const chunk = this.#keptAt(position);
      if (chunk) {
        position += chunk.length;
        yield chunk;
      } else if (!(await this.#pull())) return;
    }
  }

  #keptAt(position: number): Uint8Array | undefined {
    let start = this.#keptFrom;
    for (const chunk of this.#kept) {
      if (position < start + chunk.length) return chunk.subarray(position - start);
      start += chunk.length;
    }
    return undefined;
  }

  /** Takes one more chunk; false at the end. A reader that has gone may have left a pull behind: it is shared. */
  #pull(): Promise<boolean> {
    this.#pulling ??= this.#pullOnce().finally(() => (this.#pulling = undefined));
    return this.#pulling;
  }

  async #pullOnce(): Promise<boolean> {
    const next = await this.#source.next();
    if (next.done === true) return false;
    const chunk: Uint8Array = next.value;
    this.#kept.push(chunk);
    this.#pulledTo += chunk.length;
    while (this.#kept.length > 1 && this.#pulledTo - this.#keptFrom - (this.#kept[0]?.length ?? 0) >= windowBytes) {
      this.#keptFrom += this.#kept.shift()?.length ?? 0;
    }
    return true;
  }

  [Symbol.dispose](): void {
    // Not awaited: a source that waits for something of its own must not hold back its reader.
    if (!this.#seekable) this.#source.return?.().catch(() => undefined);
  }
}
