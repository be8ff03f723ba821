/** So many places are looked at for a part; a crafted message, in which all want the same, does not make it slow. */
const maxProbes = 8;

/** Where the bytes begin by which parts are spread: behind the tags and lengths of a digest. */
const spreadOffset = 4;

/**
 * Gathers parts of a message that are to be sent again, each once however often it comes. Parts are compared where they
 * stand: nothing is made of one.
 */
export class DistinctParts {
  readonly #message: Buffer;
  /** Open addressing: where a part begins, plus 1. */
  readonly #starts: Int32Array;
  /** Those for which there was no place. */
  #others: Set<string> | undefined;
  /** Start and end of what is to be copied, in turn. */
  readonly #bounds: number[] = [];
  #sizeBytes = 0;

  /** Parts have at least `minBytes`, 8 of them behind the first 4. */
  constructor(message: Buffer, minBytes: number) {
    this.#message = message;
    this.#starts = new Int32Array(2 ** Math.ceil(Math.log2((2 * message.length) / minBytes + 1)));
  }

  /** Parts come in the order in which they stand, and have their length in their second byte. */
  add(start: number, end: number): void {
    if (!this.#isNew(start, end)) return;
    if (this.#bounds.at(-1) === start) this.#bounds.pop();
    else this.#bounds.push(start);
    this.#bounds.push(end);
    this.#sizeBytes += end - start;
  }

  /** All of them, one behind the other. */
  joined(): Buffer {
    const result = Buffer.allocUnsafe(this.#sizeBytes);
    let at = 0;
    for (let index = 0; index < this.#bounds.length; index += 2) {
      at += this.#message.copy(result, at, this.#bounds[index], this.#bounds[index + 1]);
    }
    return result;
  }

  #isNew(start: number, end: number): boolean {
    const mask = this.#starts.length - 1;
    let place = this.#spread(start);
    for (let probe = 0; probe < maxProbes; probe += 1) {
      place &= mask;
      const known = this.#starts[place] ?? 0;
      if (known === 0) {
        this.#starts[place] = start + 1;
        return true;
      }
      if (this.#isEqual(known - 1, start, end)) return false;
      place += 1;
    }
    this.#others ??= new Set();
    const before = this.#others.size;
    return this.#others.add(this.#message.toString('latin1', start, end)).size > before;
  }

  /** Eight hexadecimal digits, of which each byte has little more than four bits. */
  #spread(start: number): number {
    let value = 0;
    for (let index = start + spreadOffset; index < start + spreadOffset + 8; index += 1) {
      value = (value << 4) ^ (value >>> 28) ^ ((this.#message[index] ?? 0) * 0x9e5);
    }
    return value ^ (value >>> 15);
  }

  #isEqual(known: number, start: number, end: number): boolean {
    for (let index = start + 1; index < end; index += 1) {
      if (this.#message[index] !== this.#message[known + index - start]) return false;
    }
    return true;
  }
}
