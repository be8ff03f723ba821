import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { bytestream } from '../proto/index.js';

/** The messages of a ByteStream upload, the first of which has come already. */
export class Upload {
  readonly #first: bytestream.WriteRequest;
  readonly #rest: AsyncIterator<bytestream.WriteRequest>;
  #receivedBytes = 0;
  #isFinished = false;

  constructor(first: bytestream.WriteRequest, rest: AsyncIterator<bytestream.WriteRequest>) {
    this.#first = first;
    this.#rest = rest;
  }

  /** How many bytes were sent in all; `undefined` while {@link content} was not read to its end. */
  get sentBytes(): number | undefined {
    return this.#isFinished ? this.#receivedBytes : undefined;
  }

  /**
   * The bytes as they were sent. Ends only if `finish_write` was set and nothing came behind it (BS-9): when a client
   * aborts, the stream of its messages just ends, before grpc-js tells why, so an end alone proves nothing (D3).
   */
  async *content(): AsyncIterable<Uint8Array> {
    for (let message = this.#first; ;) {
      this.#check(message);
      this.#receivedBytes += message.data.length;
      if (message.data.length > 0) yield message.data;
      const next = await this.#rest.next();
      if (message.finishWrite) {
        if (next.done !== true) throw invalid('A message follows the one with finish_write');
        this.#isFinished = true;
        return;
      }
      if (next.done === true) {
        throw invalid(`The upload ended after ${this.#receivedBytes} bytes without finish_write`);
      }
      message = next.value;
    }
  }

  /** BS-7, BS-8: one name, and offsets without gaps; of what travels, also where that is compressed. */
  #check({ resourceName, writeOffset }: bytestream.WriteRequest): void {
    const wanted = this.#first.resourceName;
    if (resourceName !== '' && resourceName !== wanted) {
      throw invalid(`A message names ${quoted(resourceName)}, not ${quoted(wanted)} as the first did`);
    }
    if (writeOffset !== this.#receivedBytes) {
      throw invalid(`A message has write_offset ${writeOffset}, but ${this.#receivedBytes} bytes have come before it`);
    }
  }
}

function invalid(message: string): StatusError {
  return new StatusError(Code.InvalidArgument, message);
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 300));
}
