import { presentBytes } from './present-bytes.js';

/** How far a check has come; as `FsckProgress` of the server. */
export interface FsckState {
  readonly folder: string;
  readonly items: number;
  readonly sizeBytes: number;
  readonly damaged: number;
  readonly allItems?: number;
  readonly allBytes?: number;
}

/** What a check has found in a folder of blobs, or of action results. */
export interface FsckOutcome {
  readonly folder: string;
  readonly blobs?: number;
  readonly results?: number;
  readonly sizeBytes?: number;
  readonly damaged: number;
  readonly incomplete?: number;
}

/** The line of a check under way, which began `seconds` ago. */
export function presentFsckState(state: FsckState, seconds: number): string {
  const { folder, items, sizeBytes, damaged, allItems, allBytes = 0 } = state;
  const parts = [`${folder}: ${items}${allItems === undefined ? '' : ` of ${allItems}`}`];
  if (sizeBytes > 0) parts.push(`${presentBytes(sizeBytes)} of ${presentBytes(allBytes)}`);
  if (sizeBytes > 0 && seconds >= 1) {
    parts.push(`${presentBytes(sizeBytes / seconds)}/s`);
    parts.push(`${presentDuration(((allBytes - sizeBytes) * seconds) / sizeBytes)} left`);
  }
  if (damaged > 0) parts.push(`${damaged} damaged`);
  return parts.join(', ');
}

/** The line of a folder that has been checked. */
export function presentFsckOutcome(outcome: FsckOutcome): string {
  const { folder, blobs, results, sizeBytes, damaged, incomplete = 0 } = outcome;
  const size = sizeBytes === undefined ? '' : ` (${presentBytes(sizeBytes)})`;
  const what = blobs === undefined ? plural(results ?? 0, 'action result') : `${plural(blobs, 'blob')}${size}`;
  const lacking = incomplete > 0 ? `, ${incomplete} without all of their outputs` : '';
  return `${folder}: ${what} checked, ${damaged === 0 ? 'none' : damaged} damaged${lacking}`;
}

function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

function presentDuration(seconds: number): string {
  if (seconds < 60) return `${Math.ceil(seconds)} s`;
  const minutes = Math.ceil(seconds / 60);
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}
