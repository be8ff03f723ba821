import type { FileHandle } from 'node:fs/promises';
import { mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { forEachConcurrently } from '../../common/async-iteration.js';
import { makeFolder, syncFolder } from '../../common/durable-folder.js';
import { GroupTask } from '../../common/group-task.js';
import { errnoOf } from '../../common/status-error.js';
import type { StoreFolder } from '../../common/store-folder.js';
import { type DigestFunction, digestFunctionBySegment } from '../../digest/digest-function.js';

/** A folder of blobs whose hashes begin alike. */
export interface Shard {
  readonly fn: DigestFunction;
  readonly path: string;
}

/** The blobs that are files of their own: `FUNCTION/aa/HASH-SIZE`, `aa` being the first two digits of the hash. */
export class BlobFiles {
  readonly #folder: StoreFolder;
  readonly #functionFolders = new Map<string, Promise<void>>();
  readonly #syncs = new Map<string, GroupTask>();

  constructor(folder: StoreFolder) {
    this.#folder = folder;
  }

  /** A fresh name for a file that is to be {@link commit}ted. */
  temporaryName(): string {
    return this.#folder.temporaryName();
  }

  /** The folders that hold blobs, with the digest function of each. */
  async shards(): Promise<readonly Shard[]> {
    const shards: Shard[] = [];
    for (const segment of await readdir(this.#folder.path)) {
      const fn = digestFunctionBySegment(segment);
      if (!fn) continue;
      const path = join(this.#folder.path, segment);
      for (const name of await readdir(path)) shards.push({ fn, path: join(path, name) });
    }
    return shards;
  }

  /**
   * Makes durable what names a process has left that was killed before it could: whoever finds a blob takes it for stored.
   * What cannot be synced is passed over: whoever reads it will be told.
   */
  async settle(): Promise<void> {
    const shards = await this.shards().catch(() => []);
    const paths = [this.#folder.path, ...shards.map(({ path }) => path)];
    await forEachConcurrently(paths, 16, (path) => syncFolder(path).catch(() => undefined));
  }

  /** Opens a blob for reading. */
  open(key: string): Promise<FileHandle> {
    return open(this.#pathOf(key), 'r');
  }

  /** Puts a synced temporary file in its place, durably. When it rejects, nothing is there. */
  async commit(temporary: string, key: string): Promise<void> {
    const path = this.#pathOf(key);
    try {
      const shard = await this.#shardOf(path);
      // The caller knows that nothing is there: a rename over a file is as dear as a flush (ext4's auto_da_alloc).
      await rename(temporary, path);
      await shard.run();
    } catch (reason) {
      await this.remove(key).catch(() => undefined);
      throw reason;
    }
  }

  /** Removes a blob's file, if it is there. */
  async remove(key: string): Promise<void> {
    await lookedUp(unlink(this.#pathOf(key)));
  }

  /** The size of a blob's file, or `undefined` if there is none. */
  async sizeOf(key: string): Promise<number | undefined> {
    return (await lookedUp(stat(this.#pathOf(key))))?.size;
  }

  /** Moves a blob's file elsewhere in the same file system. */
  async move(key: string, path: string): Promise<void> {
    await rename(this.#pathOf(key), path);
  }

  /** A key is `FUNCTION/HASH-SIZE` of a checked digest, so it cannot lead out of the folder (S1). */
  #pathOf(key: string): string {
    const start = key.indexOf('/') + 1;
    return join(this.#folder.path, key.slice(0, start), key.slice(start, start + 2), key.slice(start));
  }

  /** Syncs the folder of `path`. At the first blob of a function all its folders are made. */
  async #shardOf(path: string): Promise<GroupTask> {
    const shard = dirname(path);
    const functionFolder = dirname(shard);
    let ready = this.#functionFolders.get(functionFolder);
    if (!ready) {
      ready = makeShards(functionFolder);
      this.#functionFolders.set(functionFolder, ready);
      ready.catch(() => this.#functionFolders.delete(functionFolder));
    }
    await ready;
    let sync = this.#syncs.get(shard);
    if (!sync) {
      sync = new GroupTask(() => syncFolder(shard));
      this.#syncs.set(shard, sync);
    }
    return sync;
  }
}

/** What is not there is no failure, but `undefined`. */
async function lookedUp<T>(looking: Promise<T>): Promise<T | undefined> {
  try {
    return await looking;
  } catch (reason) {
    if (errnoOf(reason) === 'ENOENT') return undefined;
    throw reason;
  }
}

/** Makes `00` to `ff` in `path`, durably. */
async function makeShards(path: string): Promise<void> {
  await makeFolder(path);
  for (let shard = 0; shard < 256; shard += 1) {
    await mkdir(join(path, shard.toString(16).padStart(2, '0')), { recursive: true });
  }
  await syncFolder(path);
}
