import { createWriteStream } from 'node:fs';
import { chmod, constants, copyFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { BlobStore } from '../blobstore/blob-store.js';
import { readBlob } from '../blobstore/read-blob.js';
import { isSmall } from '../blobstore/small-blobs.js';
import type { Digest } from '../digest/digest.js';
import { applyNodeProperties } from './node-properties.js';
import type { PlannedFile } from './plan-tree.js';

/** Where copies come from and go to. */
export interface WriteCopiesOptions {
  /** The folder that the paths of the copies are relative to. */
  readonly target: string;
  readonly blobs: BlobStore;
}

/** Writes one blob to all its places, reading it once. A file that is there already, or a link, is an error (S2). */
export async function writeCopies(
  digest: Digest,
  copies: readonly PlannedFile[],
  { target, blobs }: WriteCopiesOptions,
  signal?: AbortSignal,
): Promise<void> {
  const write = isSmall({ digest }) ? await fromMemory(digest, blobs, signal) : streamed(digest, blobs, signal);
  for (const copy of copies) {
    await write(join(target, copy.path), copy.isExecutable ? 0o755 : 0o644);
  }
  // Only now: a copy is made from the first one, which its own mode may forbid to read.
  for (const { path, properties } of copies) await applyNodeProperties(join(target, path), 'file', properties);
}

type Write = (path: string, mode: number) => Promise<void>;

async function fromMemory(digest: Digest, blobs: BlobStore, signal?: AbortSignal): Promise<Write> {
  const data = await readBlob(blobs, digest, signal);
  return (path, mode) => writeFile(path, data, { flag: 'wx', mode });
}

function streamed(digest: Digest, blobs: BlobStore, signal?: AbortSignal): Write {
  let first: string | undefined;
  return async (path, mode) => {
    if (first === undefined) {
      await pipeline(blobs.read(digest, {}, signal), createWriteStream(path, { flags: 'wx', mode }));
      first = path;
    } else {
      await copyFile(first, path, constants.COPYFILE_EXCL);
      await chmod(path, mode);
    }
  };
}
