import { createHash } from 'node:crypto';
import { closeSync, ftruncateSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { DiskBlobStore } from '../../src/blobstore/backends/disk-blob-store.js';
import { Digest } from '../../src/digest/digest.js';

/** Never reached: nothing is evicted. */
export const noLimit = 2 ** 50;

export const packedBytes = 100;
const fileBytes = 100_000;

/** So many of the blobs of a folder that was {@link fill}ed are packed; the others are files. */
export function packedOf(count: number): number {
  return count - Math.floor(count / 10);
}

/** The digest of the blob with a number among `count`. What it holds is nothing: nobody looks. */
export function digestOf(number: number, count: number): Digest {
  const hash = createHash('sha256').update(`bench ${number}`).digest('hex');
  return Digest.from(hash, number < packedOf(count) ? packedBytes : fileBytes);
}

/** Makes a folder with `count` blobs, small ones in packs and a tenth of them as files. */
export async function fill(path: string, count: number): Promise<void> {
  const store = await DiskBlobStore.open({ path, maxBytes: noLimit });
  const data = Buffer.alloc(packedBytes);
  for (let start = 0; start < packedOf(count); start += 2000) {
    const numbers = Array.from({ length: Math.min(2000, packedOf(count) - start) }, (_, index) => start + index);
    await store.writeBatch(numbers.map((number) => ({ digest: digestOf(number, count), data })));
  }
  await store[Symbol.asyncDispose]();
  for (let shard = 0; shard < 256; shard += 1) {
    mkdirSync(join(path, 'sha256', shard.toString(16).padStart(2, '0')), { recursive: true });
  }
  for (let number = packedOf(count); number < count; number += 1) {
    const { hash, sizeBytes } = digestOf(number, count);
    const file = openSync(join(path, 'sha256', hash.slice(0, 2), `${hash}-${sizeBytes}`), 'w');
    ftruncateSync(file, sizeBytes);
    closeSync(file);
  }
}
