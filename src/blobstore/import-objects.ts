import { createReadStream } from 'node:fs';
import { collectBytes, forEachConcurrently } from '../common/async-iteration.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { Digest } from '../digest/digest.js';
import type { Blob, BlobStore } from './blob-store.js';
import type { BuildGridObject } from './buildgrid-objects.js';

/** How far an import has come, or what it has done in the end. */
export interface ImportedBlobs {
  /** Blobs that were stored, and their bytes. */
  readonly blobs: number;
  readonly sizeBytes: number;
  /** Blobs that were there already. */
  readonly present: number;
  /** Files that cannot be read, or do not hold what their names say. */
  readonly damaged: number;
}

/** What {@link importObjects} is told. */
export interface ImportOptions {
  /** Where to; it checks what it is given. */
  readonly store: BlobStore;
  readonly onDamaged: (path: string, fault: string) => void;
  readonly onProgress: (progress: ImportedBlobs) => void;
}

interface FileOfBlob {
  readonly path: string;
  readonly digest: Digest;
}

/** Blobs up to this size are stored many at a time. */
const maxSmallBytes = 64 * 1024;
const maxGroupBytes = 4 * 1024 * 1024;
const maxGroupLength = 1000;

/** Groups that are worked on side by side. */
const concurrency = 4;

/**
 * Stores all blobs of a BuildGrid that are not in the store yet. Rejects when the store fails; a blob that is damaged is only
 * told of.
 */
export async function importObjects(
  objects: AsyncIterable<BuildGridObject>,
  options: ImportOptions,
  signal?: AbortSignal,
): Promise<ImportedBlobs> {
  const importing = new Import(options);
  await forEachConcurrently(groupsOf(objects), concurrency, (group) => importing.take(group, signal));
  return importing.done;
}

/** Small objects together, each large one alone. */
async function* groupsOf(objects: AsyncIterable<BuildGridObject>): AsyncIterable<readonly BuildGridObject[]> {
  let group: BuildGridObject[] = [];
  let sizeBytes = 0;
  for await (const object of objects) {
    if (object.sizeBytes > maxSmallBytes) {
      yield [object];
      continue;
    }
    if (group.length >= maxGroupLength || sizeBytes + object.sizeBytes > maxGroupBytes) {
      yield group;
      group = [];
      sizeBytes = 0;
    }
    group.push(object);
    sizeBytes += object.sizeBytes;
  }
  yield group;
}

class Import {
  readonly #options: ImportOptions;
  done: ImportedBlobs = { blobs: 0, sizeBytes: 0, present: 0, damaged: 0 };

  constructor(options: ImportOptions) {
    this.#options = options;
  }

  async take(group: readonly BuildGridObject[], signal?: AbortSignal): Promise<void> {
    const paths = new Map<Digest, string>();
    for (const { path, hash, sizeBytes, function: fn } of group) {
      if (sizeBytes > 0) paths.set(Digest.from(hash, sizeBytes, fn), path);
      else if (hash !== fn.emptyHash) this.#tellDamaged(path, 'it is empty');
    }
    const missing = await this.#options.store.findMissing([...paths.keys()], signal);
    this.#count({ present: paths.size - missing.length });
    const isLarge = missing.some(({ sizeBytes }) => sizeBytes > maxSmallBytes);
    const files = missing.map((digest) => ({ digest, path: paths.get(digest) ?? '' }));
    if (isLarge) for (const file of files) await this.#stream(file, signal);
    else await this.#storeTogether(files, signal);
  }

  async #storeTogether(files: readonly FileOfBlob[], signal?: AbortSignal): Promise<void> {
    const read: (Blob & FileOfBlob)[] = [];
    await forEachConcurrently(files, 16, async (file) => {
      const data = await collectBytes(contentOf(file.path)).catch((reason: unknown) => StatusError.from(reason));
      if (data instanceof StatusError) this.#settle(file, data);
      else read.push({ ...file, data });
    });
    const outcomes = await this.#options.store.writeBatch(read, signal);
    for (const [index, file] of read.entries()) this.#settle(file, outcomes[index]);
  }

  async #stream(file: FileOfBlob, signal?: AbortSignal): Promise<void> {
    try {
      await this.#options.store.write(file.digest, contentOf(file.path), signal);
    } catch (reason) {
      this.#settle(file, StatusError.from(reason));
      return;
    }
    this.#settle(file, undefined);
  }

  #settle({ path, digest }: FileOfBlob, failure: StatusError | undefined): void {
    if (!failure) this.#count({ blobs: 1, sizeBytes: digest.sizeBytes });
    else if (ofTheContent.has(failure.code)) this.#tellDamaged(path, failure.message);
    else throw failure;
  }

  #tellDamaged(path: string, fault: string): void {
    this.#options.onDamaged(path, fault);
    this.#count({ damaged: 1 });
  }

  #count(more: Partial<ImportedBlobs>): void {
    const { blobs, sizeBytes, present, damaged } = this.done;
    this.done = {
      blobs: blobs + (more.blobs ?? 0),
      sizeBytes: sizeBytes + (more.sizeBytes ?? 0),
      present: present + (more.present ?? 0),
      damaged: damaged + (more.damaged ?? 0),
    };
    this.#options.onProgress(this.done);
  }
}

/** Content that is not what its name says is refused with INVALID_ARGUMENT; what cannot be read is DATA_LOSS here. */
const ofTheContent = new Set<Code>([Code.InvalidArgument, Code.DataLoss]);

/** A failure to read is told from a failure to store. */
async function* contentOf(path: string): AsyncIterable<Uint8Array> {
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) yield chunk as Buffer;
  } catch (reason) {
    const { message } = StatusError.from(reason);
    throw new StatusError(Code.DataLoss, `it cannot be read: ${message}`, { cause: reason });
  }
}
