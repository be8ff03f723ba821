import { presentBytes } from './present-bytes.js';

interface Amount {
  readonly blobs: number;
  readonly sizeBytes: number;
}

/** What became of an indexed storage, as a cleanup reports it. */
export interface CleanupLine {
  readonly storage: string;
  readonly before: Amount;
  readonly removed: Amount;
}

/** A cleanup that is over, in one line. */
export function presentCleanup({ storage, before, removed }: CleanupLine, isDryRun: boolean): string {
  const had = `${storage}: ${amountOf(before)} before`;
  if (removed.blobs === 0) return `${had}, none ${isDryRun ? 'to remove' : 'removed'}`;
  const left = presentBytes(Math.max(0, before.sizeBytes - removed.sizeBytes));
  return isDryRun
    ? `${had}, ${amountOf(removed)} would be removed, ${left} left`
    : `${had}, ${amountOf(removed)} removed, ${left} left`;
}

/** How far a cleanup has come, in one line. */
export function presentRemoval({ removed, wantedBytes }: { removed: Amount; wantedBytes: number }): string {
  return `${amountOf(removed)} of ${presentBytes(wantedBytes)} removed`;
}

/** How far a refill has come, in one line. */
export function presentRefill({ listed, added }: { listed: number; added: number }): string {
  return `${listed} blobs listed, ${added} of them added to the index`;
}

function amountOf({ blobs, sizeBytes }: Amount): string {
  return `${blobs} blob${blobs === 1 ? '' : 's'} (${presentBytes(sizeBytes)})`;
}
