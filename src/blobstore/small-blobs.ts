import { forEachConcurrently } from '../common/async-iteration.js';
import type { Digest } from '../digest/digest.js';

/** Blobs up to this size share calls and are held in memory; larger ones are streamed. */
const maxSmallBlobBytes = 128 * 1024;

/** Small blobs read side by side: a remote store makes batches of them. */
const smallConcurrency = 256;

/** Large blobs streamed side by side. */
const largeConcurrency = 8;

/** Whether a blob is small. */
export function isSmall({ digest }: { readonly digest: Digest }): boolean {
  return digest.sizeBytes <= maxSmallBlobBytes;
}

/** Runs `task`, which reads the blob of an entry: many small ones at a time, then a few large ones. */
export async function forEachBlob<Entry extends { readonly digest: Digest }>(
  entries: readonly Entry[],
  task: (entry: Entry) => Promise<void>,
): Promise<void> {
  await forEachConcurrently(entries.filter(isSmall), smallConcurrency, task);
  const large = entries.filter((entry) => !isSmall(entry));
  await forEachConcurrently(large, largeConcurrency, task);
}
