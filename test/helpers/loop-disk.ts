import { execFile } from 'node:child_process';
import { mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { temporaryDirectory } from './temporary-directory.js';

const run = promisify(execFile);

/** FS_IOC_SHUTDOWN without a flush of the journal: what is not on the disk by now never gets there. */
const cutOff = `
import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack('I', 2))
`;

/** An ext4 file system of its own, whose power can be cut. Needs root, loop devices, python3 and mkfs.ext4. */
export class LoopDisk implements AsyncDisposable {
  /** Where it is mounted. */
  readonly path: string;
  readonly #image: string;
  readonly #folder: AsyncDisposable;
  #isMounted = false;

  private constructor(folder: AsyncDisposable & { readonly path: string }) {
    this.#folder = folder;
    this.#image = join(folder.path, 'image');
    this.path = join(folder.path, 'disk');
  }

  static async create(sizeBytes: number): Promise<LoopDisk> {
    const disk = new LoopDisk(await temporaryDirectory());
    try {
      await using file = await open(disk.#image, 'w');
      await file.truncate(sizeBytes);
      await run('mkfs.ext4', ['-q', disk.#image]);
      await mkdir(disk.path);
      await disk.#mount();
      return disk;
    } catch (reason) {
      await disk[Symbol.asyncDispose]();
      throw reason;
    }
  }

  /** All that was not synced is lost, and from now on nothing can be read or written. */
  async cutPower(): Promise<void> {
    await run('python3', ['-c', cutOff, this.path]);
  }

  /** After a cut: nobody may have a file open. */
  async powerOn(): Promise<void> {
    await this.#unmount();
    await this.#mount();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#unmount();
    await this.#folder[Symbol.asyncDispose]();
  }

  /** The kernel would write everything after 5 seconds by itself: it shall take its time. */
  async #mount(): Promise<void> {
    await run('mount', ['-o', 'loop,commit=600', this.#image, this.path]);
    this.#isMounted = true;
  }

  async #unmount(): Promise<void> {
    if (!this.#isMounted) return;
    await run('umount', [this.path]);
    this.#isMounted = false;
  }
}
