import { type FileHandle, mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { storageError } from '../../common/storage-error.js';

const readBytes = 1024 * 1024;

/**
 * A stream that is kept in a file until it is known what it is. The file has no name from the start: whatever happens,
 * nothing of it stays behind.
 */
export class SpooledContent implements AsyncDisposable {
  readonly #file: FileHandle;
  #sizeBytes = 0;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  static async create(): Promise<SpooledContent> {
    const folder = await mkdtemp(join(tmpdir(), 'bgd-fetch-'));
    try {
      return new SpooledContent(await open(join(folder, 'content'), 'wx+', 0o600));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** Adds to the end. Throws RESOURCE_EXHAUSTED when the disk is full. */
  async append(bytes: Uint8Array): Promise<void> {
    try {
      await this.#file.writeFile(bytes);
    } catch (reason) {
      throw storageError(reason, 'Keeping what is fetched');
    }
    this.#sizeBytes += bytes.length;
  }

  /** All of it, from the beginning. */
  async *read(): AsyncIterable<Uint8Array> {
    for (let position = 0; position < this.#sizeBytes;) {
      const length = Math.min(readBytes, this.#sizeBytes - position);
      const { bytesRead, buffer } = await this.#file.read(Buffer.allocUnsafe(length), 0, length, position);
      yield buffer.subarray(0, bytesRead);
      position += bytesRead;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}
