import { readdir, stat, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { forEachConcurrently } from '../../common/async-iteration.js';
import { Code } from '../../common/code.js';
import { StatusError } from '../../common/status-error.js';
import { PackSegment, parseSegmentName } from './pack-segment.js';

/**
 * Finds the segments of a folder, in the order of their numbers, and sweeps out what belongs to none. Throws
 * FAILED_PRECONDITION for two that have the same number.
 */
export async function findSegments(folder: string): Promise<PackSegment[]> {
  const names = await readdir(folder);
  const segments = new Map<number, PackSegment>();
  for (const name of names) {
    const parsed = parseSegmentName(name);
    if (!parsed) continue;
    const other = segments.get(parsed.number);
    if (other) throw sameNumber(other.path, join(folder, name));
    segments.set(parsed.number, new PackSegment(folder, parsed));
  }
  const found = [...segments.values()].sort((a, b) => a.number - b.number);
  await forEachConcurrently(found, 16, async (segment) => {
    segment.fileBytes = (await stat(segment.path)).size;
  });
  await sweep(folder, names, found);
  return found;
}

/** Hints that are half-written, or whose segment is gone. */
async function sweep(folder: string, names: readonly string[], segments: readonly PackSegment[]): Promise<void> {
  const hints = new Set(segments.map(({ hintPath }) => hintPath));
  const strays = names.filter((name) => /^\d+-[0-9a-f]+\.hint(\.tmp)?$/.test(name) && !hints.has(join(folder, name)));
  await forEachConcurrently(strays, 16, (name) => unlink(join(folder, name)));
}

function sameNumber(one: string, other: string): StatusError {
  return new StatusError(
    Code.FailedPrecondition,
    `Segments ${one} and ${other} have the same number, so one of them was put there by hand: move it elsewhere`,
  );
}
