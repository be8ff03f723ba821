import { mkdir, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Digest } from '../../digest/digest.js';
import type { BlobFiles } from './blob-files.js';

/** Damaged blobs are kept for a look at them, but not without end: they do not count for the size of the store. */
const maxFiles = 100;
const maxBytes = 1024 ** 3;

/** A folder for the bytes of damaged blobs, under the names that say what they should have been. */
export class Quarantine {
  readonly #path: string;

  constructor(path: string) {
    this.#path = path;
  }

  /** Moves the file of a blob here, or removes it when enough is here already. */
  async takeFile(files: BlobFiles, { key }: Digest): Promise<void> {
    const sizeBytes = (await files.sizeOf(key)) ?? 0;
    if (await this.#hasRoom(sizeBytes)) await files.move(key, this.#pathOf(key));
    else await files.remove(key);
  }

  /** Keeps the bytes of a blob here, unless enough is here already. */
  async keep({ key }: Digest, data: Uint8Array): Promise<void> {
    if (!(await this.#hasRoom(data.length))) return;
    await using file = await open(this.#pathOf(key), 'w', 0o444);
    await file.writeFile(data);
  }

  async #hasRoom(sizeBytes: number): Promise<boolean> {
    await mkdir(this.#path, { recursive: true });
    const names = await readdir(this.#path);
    if (names.length >= maxFiles) return false;
    const stats = await Promise.all(names.map((name) => stat(join(this.#path, name))));
    return stats.reduce((sum, { size }) => sum + size, sizeBytes) <= maxBytes;
  }

  #pathOf(key: string): string {
    return join(this.#path, key.replace('/', '-'));
  }
}
