import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

/** The disk's own limit: 4 KiB that are written over and flushed again and again, in a file of their own. */
export class SyncedFile implements Disposable {
  readonly #path: string;
  readonly #file: number;
  readonly #page = Buffer.alloc(4096, 1);

  constructor(folder: string) {
    this.#path = join(folder, 'synced');
    this.#file = openSync(this.#path, 'w');
    this.syncOnce();
  }

  /** Milliseconds that one write and one flush take. */
  syncOnce(): number {
    const startMs = performance.now();
    writeSync(this.#file, this.#page, 0, this.#page.length, 0);
    fdatasyncSync(this.#file);
    return performance.now() - startMs;
  }

  /** Flushes a second, over `ms`. */
  rate(ms: number): number {
    const startMs = performance.now();
    let count = 0;
    for (; performance.now() - startMs < ms; count += 1) this.syncOnce();
    return (count / (performance.now() - startMs)) * 1000;
  }

  [Symbol.dispose](): void {
    closeSync(this.#file);
    rmSync(this.#path);
  }
}
