import { readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Blob } from '../../../src/blobstore/blob-store.js';
import type { PackFolder } from '../../../src/blobstore/packs/pack-folder.js';
import type { ListedRecord, OnRecord, PackPlace } from '../../../src/blobstore/packs/pack-place.js';
import { type DigestFunction, SHA256 } from '../../../src/digest/digest-function.js';
import { Digest } from '../../../src/digest/digest.js';

export function blobOf(text: string, fn: DigestFunction = SHA256): Blob {
  const data = Buffer.from(text);
  return { digest: Digest.of(data, fn), data };
}

/** Some blobs that share nothing. */
export function someBlobs(count: number, sizeBytes = 100): Blob[] {
  return Array.from({ length: count }, (_, index) => blobOf(`blob ${index} `.padEnd(sizeBytes, '.')));
}

/** The hash of a record as lower-case hex. */
export function hashOf({ fn, bytes, hashStart }: ListedRecord): string {
  return bytes.toString('hex', hashStart, hashStart + fn.hexLength / 2);
}

/** Does what `PackFolder.list` asks of an index. */
export function entering(index: Map<string, PackPlace>): OnRecord {
  return (record) => {
    const { isTombstone, fn, sizeBytes, segment, offset } = record;
    const key = Digest.from(hashOf(record), sizeBytes, fn).key;
    if (!isTombstone) index.set(key, { segment, offset });
    else if (!isBehind(index.get(key), record)) index.delete(key);
  };
}

function isBehind(place: PackPlace | undefined, other: PackPlace): boolean {
  if (!place) return false;
  return place.segment > other.segment || (place.segment === other.segment && place.offset > other.offset);
}

/** What a folder has after a start. */
export async function listed(folder: PackFolder): Promise<Map<string, PackPlace>> {
  const index = new Map<string, PackPlace>();
  await folder.list(entering(index));
  return index;
}

/** The texts of those of `blobs` that `index` has, as they are read. */
export async function textsOf(
  folder: PackFolder,
  index: ReadonlyMap<string, PackPlace>,
  blobs: readonly Blob[],
): Promise<(string | undefined)[]> {
  const present = blobs.flatMap(({ digest }) => {
    const place = index.get(digest.key);
    return place ? [{ digest, place }] : [];
  });
  return Promise.all(
    present.map(async ({ digest, place }) => (await folder.read(place, digest.sizeBytes))?.toString()),
  );
}

/** The files of a folder whose names end so, in order. */
export async function filesIn(path: string, ending: '.pack' | '.hint'): Promise<string[]> {
  return (await readdir(path))
    .filter((name) => name.endsWith(ending))
    .sort()
    .map((name) => join(path, name));
}

/** The files that this process has open below `path`. */
export async function openFilesBelow(path: string): Promise<string[]> {
  const links = await Promise.all(
    (await readdir('/proc/self/fd')).map((fd) => readlink(join('/proc/self/fd', fd)).catch(() => '')),
  );
  return links.filter((link) => link.startsWith(path));
}
