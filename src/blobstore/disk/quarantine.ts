import { mkdir, open, readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../../common/logger.js';
import type { Digest } from '../../digest/digest.js';
import type { BlobFiles } from './blob-files.js';

/** Damaged blobs are kept for a look at them, but not without end: they do not count for the size of the store. */
const maxFiles = 100;
const maxBytes = 1024 ** 3;

/**
 * A folder for the bytes of damaged blobs, under the names that say what they should have been; of a blob that is found damaged
 * again, the newest. That they cannot be kept is logged, and keeps nobody from taking the blob away.
 */
export class Quarantine {
  readonly #path: string;
  readonly #logger: Logger;

  constructor(path: string, logger: Logger) {
    this.#path = path;
    this.#logger = logger;
  }

  /** Moves the file of a blob here, or removes it when enough is here already. */
  async takeFile(files: BlobFiles, { key }: Digest): Promise<void> {
    const sizeBytes = (await files.sizeOf(key)) ?? 0;
    const isTaken = await this.#take(key, sizeBytes, (path) => files.move(key, path));
    if (!isTaken) await files.remove(key);
  }

  /** Keeps the bytes of a blob here, unless enough is here already. */
  async keep({ key }: Digest, data: Uint8Array): Promise<void> {
    await this.#take(key, data.length, async (path) => {
      // One that is there cannot be written to.
      await rm(path, { force: true });
      await using file = await open(path, 'wx', 0o444);
      await file.writeFile(data);
    });
  }

  async #take(key: string, sizeBytes: number, take: (path: string) => Promise<void>): Promise<boolean> {
    try {
      if (!(await this.#hasRoom(sizeBytes))) return false;
      await take(join(this.#path, key.replace('/', '-')));
      return true;
    } catch (reason) {
      this.#logger.warn({ err: reason, key }, 'A damaged blob cannot be kept for a look at it');
      return false;
    }
  }

  async #hasRoom(sizeBytes: number): Promise<boolean> {
    await mkdir(this.#path, { recursive: true });
    const names = await readdir(this.#path);
    if (names.length >= maxFiles) return false;
    const stats = await Promise.all(names.map((name) => stat(join(this.#path, name))));
    return stats.reduce((sum, { size }) => sum + size, sizeBytes) <= maxBytes;
  }
}
