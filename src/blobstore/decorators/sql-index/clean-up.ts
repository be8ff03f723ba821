import { Code } from '../../../common/code.js';
import { StatusError } from '../../../common/status-error.js';
import type { FoundBlob } from '../../found-blob.js';
import type { BlobIndex, IndexTotals } from './blob-index.js';
import type { BlobRemovals } from './blob-removals.js';
import type { IndexUpkeep } from './index-upkeep.js';

/** What {@link cleanUp} and {@link refill} work with. */
export interface UpkeepParts {
  readonly index: BlobIndex;
  readonly removals: BlobRemovals;
  readonly upkeep: IndexUpkeep;
}

/** What {@link cleanUp} is to do. */
export interface CleanupOptions {
  /** Nothing is removed while the blobs have no more bytes than this together. */
  readonly highBytes: number;
  /** Else they are removed until they have no more than this. */
  readonly lowBytes: number;
  /** Bytes to remove in one go. */
  readonly batchBytes: number;
  /** Only what was not used for so long; at least what clients are promised. */
  readonly unusedForMs: number;
  /** Only counts. */
  readonly isDryRun: boolean;
  readonly onProgress: (progress: CleanupProgress) => void;
}

/** How far a cleanup has come. */
export interface CleanupProgress {
  readonly removed: IndexTotals;
  /** What is to be removed in all. */
  readonly wantedBytes: number;
}

/** What a cleanup has found and done, or would do. */
export interface CleanupReport {
  readonly before: IndexTotals;
  readonly removed: IndexTotals;
  /** Whether more would have been removed if it had not been used so lately. */
  readonly isShort: boolean;
}

/** Blobs in one go: as many as S3 deletes in one request. */
const batchBlobs = 1_000;

const none: IndexTotals = { blobs: 0, sizeBytes: 0 };

/**
 * Removes the least recently used blobs of an indexed storage while servers go on using it. Rejects when `signal` aborts,
 * between two batches: what was begun is finished.
 */
export async function cleanUp(
  parts: UpkeepParts,
  options: CleanupOptions,
  signal?: AbortSignal,
): Promise<CleanupReport> {
  if (options.isDryRun) return rehearse(parts, options);
  return holding(parts.upkeep, async () => {
    await waitForPromises(parts);
    const abandoned = await finishAbandoned(parts, signal);
    const before = await parts.index.totals();
    const wantedBytes = excessOf(before, options);
    const removed = await removeOldest(parts, { ...options, wantedBytes }, signal);
    return {
      before: sum(before, abandoned),
      removed: sum(removed, abandoned),
      isShort: removed.sizeBytes < wantedBytes,
    };
  });
}

/**
 * Enters what the storage lists into the index, for one that was lost or is new, and returns how many blobs it lacked. For as
 * long as blobs are promised to stay, no cleanup removes anything after that.
 */
export async function refill(
  { index, upkeep }: Omit<UpkeepParts, 'removals'>,
  blobs: AsyncIterable<FoundBlob>,
  onProgress: (progress: RefillProgress) => void,
  signal?: AbortSignal,
): Promise<RefillProgress> {
  return holding(upkeep, async () => {
    const progress = { listed: 0, added: 0 };
    const enter = async (batch: readonly FoundBlob[]): Promise<void> => {
      await upkeep.hold();
      const added = await index.refill(batch);
      if (progress.added === 0 && added > 0) await upkeep.noteRefill();
      progress.listed += batch.length;
      progress.added += added;
      onProgress(progress);
    };
    let batch: FoundBlob[] = [];
    for await (const blob of blobs) {
      signal?.throwIfAborted();
      if (batch.push(blob) < batchBlobs) continue;
      await enter(batch);
      batch = [];
    }
    await enter(batch);
    if (progress.added > 0) await upkeep.noteRefill();
    return progress;
  });
}

/** How far a refill has come. */
export interface RefillProgress {
  readonly listed: number;
  readonly added: number;
}

async function holding<Result>(upkeep: IndexUpkeep, work: () => Promise<Result>): Promise<Result> {
  await upkeep.hold();
  try {
    return await work();
  } finally {
    await upkeep.release();
  }
}

async function waitForPromises({ upkeep }: UpkeepParts): Promise<void> {
  const ms = await upkeep.msUntilKnown();
  if (ms === 0) return;
  const minutes = Math.ceil(ms / 60_000);
  throw new StatusError(
    Code.Aborted,
    `The index was refilled a short while ago, and does not know what clients rely on: clean up in ${minutes} minutes`,
  );
}

async function finishAbandoned({ removals, upkeep }: UpkeepParts, signal?: AbortSignal): Promise<IndexTotals> {
  let done = none;
  for (;;) {
    signal?.throwIfAborted();
    await upkeep.hold();
    const batch = await removals.finishAbandoned(batchBlobs);
    if (batch.blobs === 0) return done;
    done = sum(done, batch);
  }
}

async function removeOldest(
  { removals, upkeep }: UpkeepParts,
  { wantedBytes, batchBytes, unusedForMs, onProgress }: CleanupOptions & { readonly wantedBytes: number },
  signal?: AbortSignal,
): Promise<IndexTotals> {
  let removed = none;
  while (removed.sizeBytes < wantedBytes) {
    signal?.throwIfAborted();
    await upkeep.hold();
    const sizeBytes = Math.min(batchBytes, wantedBytes - removed.sizeBytes);
    const batch = await removals.takeOldest({ maxBlobs: batchBlobs, sizeBytes, unusedForMs });
    if (batch.blobs === 0) break;
    removed = sum(removed, batch);
    onProgress({ removed, wantedBytes });
  }
  return removed;
}

async function rehearse({ index, removals }: UpkeepParts, options: CleanupOptions): Promise<CleanupReport> {
  const before = await index.totals();
  const wantedBytes = excessOf(before, options);
  const { unusedForMs } = options;
  const removed =
    wantedBytes > 0 ? await removals.countOldest({ maxBlobs: 0, sizeBytes: wantedBytes, unusedForMs }) : none;
  return { before, removed, isShort: removed.sizeBytes < wantedBytes };
}

function excessOf({ sizeBytes }: IndexTotals, { highBytes, lowBytes }: CleanupOptions): number {
  return sizeBytes > highBytes ? sizeBytes - lowBytes : 0;
}

function sum(left: IndexTotals, right: IndexTotals): IndexTotals {
  return { blobs: left.blobs + right.blobs, sizeBytes: left.sizeBytes + right.sizeBytes };
}
