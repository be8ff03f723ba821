import { open } from 'node:fs/promises';
import type { BlobSource } from '../blobstore/blob-source.js';
import { fileError, openFlags } from '../merkle/digest-file.js';

const chunkBytes = 1024 * 1024;

/**
 * The content of a blob that can be read again, from any offset: a broken upload of it is resumed. Nothing is opened
 * before the first pull.
 */
export class SeekableContent implements AsyncIterable<Uint8Array> {
  readonly #source: BlobSource;

  constructor(source: BlobSource) {
    this.#source = source;
  }

  /** The bytes behind the first `offset`. */
  async *from(offset: number): AsyncGenerator<Uint8Array, void, undefined> {
    const source = this.#source;
    if ('data' in source) {
      if (offset < source.data.length) yield source.data.subarray(offset);
    } else {
      try {
        const file = await open(source.path, openFlags);
        yield* file.createReadStream({ start: offset, highWaterMark: chunkBytes }) as AsyncIterable<Buffer>;
      } catch (reason) {
        throw fileError(source.path, reason);
      }
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return this.from(0);
  }
}
