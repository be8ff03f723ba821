import type { FileHandle } from 'node:fs/promises';
import { mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { forEachConcurrently } from '../../common/async-iteration.js';
import { makeFolder, syncFolder } from '../../common/durable-folder.js';
import { GroupTask } from '../../common/group-task.js';
import { errnoOf } from '../../common/status-error.js';
import type { StoreFolder } from '../../common/store-folder.js';
import { digestFunctionBySegment } from '../../digest/digest-function.js';

/** What a file's name tells of its blob. */
export interface ListedBlob {
  readonly key: string;
  readonly sizeBytes: number;
}

/** Damaged files are kept for a look at them, but not without end. */
const maxQuarantined = 100;

/** The files of a disk store: `FUNCTION/aa/HASH-SIZE` under its folder, `aa` being the first two digits of the hash. */
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

  /** Reads the names of all blobs; the files are not looked at. */
  async *list(): AsyncIterable<ListedBlob> {
    for (const segment of await readdir(this.#folder.path)) {
      const fn = digestFunctionBySegment(segment);
      if (!fn) continue;
      for (const shard of await readdir(join(this.#folder.path, segment))) {
        for (const name of await readdir(join(this.#folder.path, segment, shard))) {
          const [hash = '', size = ''] = name.split('-');
          if (fn.hashes(hash) && /^\d+$/.test(size)) yield { key: `${segment}/${name}`, sizeBytes: Number(size) };
        }
      }
    }
  }

  /** Opens a blob for reading. */
  open(key: string): Promise<FileHandle> {
    return open(this.#pathOf(key), 'r');
  }

  /**
   * Puts synced temporary files in their places, durably: each folder that they go to is synced once. When it rejects,
   * none of them is there.
   */
  async commit(files: readonly { readonly temporary: string; readonly key: string }[]): Promise<void> {
    try {
      const shards = new Set<GroupTask>();
      await forEachConcurrently(files, 8, async ({ temporary, key }) => {
        const path = this.#pathOf(key);
        shards.add(await this.#shardOf(path));
        // The caller knows that nothing is there: a rename over a file is as dear as a flush (ext4's auto_da_alloc).
        await rename(temporary, path);
      });
      await Promise.all([...shards].map((shard) => shard.run()));
    } catch (reason) {
      await Promise.allSettled(files.map(({ key }) => this.remove(key)));
      throw reason;
    }
  }

  /** Removes a blob's file, if it is there. */
  async remove(key: string): Promise<void> {
    try {
      await unlink(this.#pathOf(key));
    } catch (reason) {
      if (errnoOf(reason) !== 'ENOENT') throw reason;
    }
  }

  /** The size of a blob's file, or `undefined` if there is none. */
  async sizeOf(key: string): Promise<number | undefined> {
    try {
      return (await stat(this.#pathOf(key))).size;
    } catch (reason) {
      if (errnoOf(reason) === 'ENOENT') return undefined;
      throw reason;
    }
  }

  /** Puts a damaged file aside, or removes it when enough are there already. */
  async quarantine(key: string): Promise<void> {
    const path = join(this.#folder.path, 'quarantine');
    await mkdir(path, { recursive: true });
    if ((await readdir(path)).length >= maxQuarantined) await this.remove(key);
    else await rename(this.#pathOf(key), join(path, key.replace('/', '-')));
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

/** Makes `00` to `ff` in `path`, durably. */
async function makeShards(path: string): Promise<void> {
  await makeFolder(path);
  for (let shard = 0; shard < 256; shard += 1) {
    await mkdir(join(path, shard.toString(16).padStart(2, '0')), { recursive: true });
  }
  await syncFolder(path);
}
