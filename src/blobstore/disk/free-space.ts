import { statfs } from 'node:fs/promises';
import type { Clock } from '../../common/clock.js';
import { Code } from '../../common/code.js';
import { StatusError } from '../../common/status-error.js';

const sampleLifeMs = 1_000;
const maxFloorBytes = 2 * 1024 ** 3;

/** Keeps a file system from being filled to the brim: asks how much is free, at most once a second. */
export class FreeSpace {
  readonly #path: string;
  readonly #clock: Clock;
  #sample: { readonly takenAtMs: number; readonly floorBytes: number; freeBytes: number } | undefined;

  constructor(path: string, clock: Clock) {
    this.#path = path;
    this.#clock = clock;
  }

  /** Throws RESOURCE_EXHAUSTED if `sizeBytes` more would leave less than 5 % or 2 GiB, whichever is smaller, free. */
  async check(sizeBytes: number): Promise<void> {
    await this.#sampleFor(sizeBytes);
  }

  /** As {@link check}, and counts them as used from now on. */
  async claim(sizeBytes: number): Promise<void> {
    const sample = await this.#sampleFor(sizeBytes);
    sample.freeBytes -= sizeBytes;
  }

  async #sampleFor(sizeBytes: number): Promise<{ freeBytes: number }> {
    const sample = await this.#recent();
    if (sample.freeBytes - sizeBytes >= sample.floorBytes) return sample;
    throw new StatusError(
      Code.ResourceExhausted,
      `The disk of ${this.#path} has ${sample.freeBytes} bytes free, and ${sample.floorBytes} must stay free: ${sizeBytes} more do not fit; make room or lower the size of the store`,
    );
  }

  async #recent(): Promise<{ readonly floorBytes: number; freeBytes: number }> {
    const now = this.#clock.now();
    if (this.#sample && now - this.#sample.takenAtMs < sampleLifeMs) return this.#sample;
    const { bavail, blocks, bsize } = await statfs(this.#path);
    const floorBytes = Math.min(Math.floor(blocks * bsize * 0.05), maxFloorBytes);
    this.#sample = { takenAtMs: now, floorBytes, freeBytes: bavail * bsize };
    return this.#sample;
  }
}

/** What the file system of `path` has free for this process, in bytes. */
export async function freeBytesAt(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}

/** Half of what the file system of `path` would have free without the `ownBytes` of a store. */
export async function halfOfFreeBytesAt(path: string, ownBytes: number): Promise<number> {
  const { bavail, bfree, blocks, bsize } = await statfs(path);
  const usedBytes = (blocks - bfree) * bsize;
  return Math.floor((Math.min(ownBytes, usedBytes) + bavail * bsize) / 2);
}
