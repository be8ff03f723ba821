import { open, readdir, rm, stat, truncate } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Damage } from './blob-steps.js';

/** What says of a folder whose it is: without these a store rightly refuses to open. */
const kept = new Set(['format', 'lock']);

/** Damages one of the files below the `fragile` parts of `folder`. Returns whether there was one. */
export async function spoil(folder: string, fragile: readonly string[], damage: Damage): Promise<boolean> {
  const paths: string[] = [];
  for (const part of fragile) paths.push(...(await filesBelow(join(folder, part))));
  const path = paths.sort()[Math.min(paths.length - 1, Math.floor(damage.file * paths.length))];
  if (path === undefined) return false;
  if (damage.kind === 'remove') await rm(path);
  else if (damage.kind === 'truncate') await truncate(path, Math.floor(damage.place * (await stat(path)).size));
  else await flip(path, damage.place);
  return true;
}

/** The files of a store, without those that say whose it is and those that were put aside. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && !kept.has(entry.name) && !entry.parentPath.includes('quarantine'))
    .map((entry) => join(entry.parentPath, entry.name));
}

/** How many bytes a store takes, without what it knows of its blobs. */
export async function bytesBelow(folder: string): Promise<number> {
  let sum = 0;
  for (const path of await filesBelow(folder)) if (basename(path) !== 'uses') sum += (await stat(path)).size;
  return sum;
}

async function flip(path: string, place: number): Promise<void> {
  await using file = await open(path, 'r+');
  const { size } = await file.stat();
  if (size === 0) return;
  const position = Math.min(size - 1, Math.floor(place * size));
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, position);
  byte[0]! ^= 0x55;
  await file.write(byte, 0, 1, position);
}
