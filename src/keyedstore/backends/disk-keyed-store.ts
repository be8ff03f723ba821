import { hash } from 'node:crypto';
import { open, readFile, readdir, rename, rm, unlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Clock, systemClock } from '../../common/clock.js';
import { makeFolder, syncFolder } from '../../common/durable-folder.js';
import { KeyedMutex } from '../../common/keyed-mutex.js';
import { type Logger, silentLogger } from '../../common/logger.js';
import { errnoOf } from '../../common/status-error.js';
import { storageError } from '../../common/storage-error.js';
import { StoreFolder } from '../../common/store-folder.js';
import { checkKey } from '../check-key.js';
import type { PutOptions } from '../keyed-store.js';
import type { ListableKeyedStore, ListedValue } from '../listable-keyed-store.js';
import { type KeptValue, decodeValueFile, encodeValueFile } from './value-file.js';

/** What {@link DiskKeyedStore.open} is told. */
export interface DiskKeyedStoreOptions {
  /** The folder, made if it is missing. One process at a time may have it open. */
  readonly path: string;
  readonly clock?: Clock;
  readonly logger?: Logger;
}

const format = 'bgd-values 1';

/** Keeps each value as a file `values/aa/HASH`, named by the hash of its key. What was put is on the disk (D1). */
export class DiskKeyedStore implements ListableKeyedStore, AsyncDisposable {
  readonly #folder: StoreFolder;
  /** Held while a value's file is replaced or removed. */
  readonly #changes = new KeyedMutex();
  readonly #clock: Clock;
  readonly #logger: Logger;

  private constructor(folder: StoreFolder, { clock = systemClock, logger = silentLogger }: DiskKeyedStoreOptions) {
    this.#folder = folder;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Throws FAILED_PRECONDITION if another process has the folder open or it is of another format. */
  static async open(options: DiskKeyedStoreOptions): Promise<DiskKeyedStore> {
    return new DiskKeyedStore(await StoreFolder.open({ path: options.path, format }), options);
  }

  async get(key: string, signal?: AbortSignal): Promise<Buffer | undefined> {
    signal?.throwIfAborted();
    checkKey(key);
    const kept = await this.#read(key);
    if (!kept) return undefined;
    if (kept.expiresAtMs > this.#clock.now()) return kept.value;
    await this.#removeExpired(key);
    return undefined;
  }

  async put(key: string, value: Uint8Array, options: PutOptions = {}, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    checkKey(key);
    const expiresAtMs = options.expiresAtMs ?? Infinity;
    const bytes = encodeValueFile({ key, value: Buffer.from(value), expiresAtMs });
    await this.#changes.exclusive(key, () => this.#replace(key, bytes), signal);
  }

  async delete(key: string, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    checkKey(key);
    await this.#changes.exclusive(key, () => this.#remove(key), signal);
  }

  async *list(signal?: AbortSignal): AsyncIterable<ListedValue> {
    for (const name of await this.#names()) {
      signal?.throwIfAborted();
      const kept = await this.#readNamed(name);
      if (kept && kept.expiresAtMs <= this.#clock.now()) continue;
      // A value that has another's name would not be found.
      yield { name, kept: kept && nameOf(kept.key) === name ? kept : undefined };
    }
  }

  async discard(name: string): Promise<void> {
    await rm(this.#placeOf(name), { force: true });
  }

  /** Unlocks the folder. Calls under way should have ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }

  async #read(key: string): Promise<KeptValue | undefined> {
    const path = this.#pathOf(key);
    try {
      const kept = decodeValueFile(await readFile(path));
      if (!kept) this.#logger.error({ key, path }, 'A stored value is damaged and counts as absent');
      return kept?.key === key ? kept : undefined;
    } catch (reason) {
      if (errnoOf(reason) === 'ENOENT') return undefined;
      throw storageError(reason, 'Reading a value');
    }
  }

  async #names(): Promise<readonly string[]> {
    try {
      const names = await readdir(join(this.#folder.path, 'values'), { recursive: true });
      return names.map((name) => basename(name)).filter((name) => isName.test(name));
    } catch (reason) {
      if (errnoOf(reason) === 'ENOENT') return [];
      throw storageError(reason, 'Reading the names of values');
    }
  }

  async #readNamed(name: string): Promise<KeptValue | undefined> {
    try {
      return decodeValueFile(await readFile(this.#placeOf(name)));
    } catch (reason) {
      throw storageError(reason, 'Reading a value');
    }
  }

  async #replace(key: string, bytes: Buffer): Promise<void> {
    const path = this.#pathOf(key);
    const temporary = this.#folder.temporaryName();
    try {
      await makeFolder(dirname(path));
      await using file = await open(temporary, 'wx', 0o644);
      await file.writeFile(bytes);
      await file.datasync();
      await rename(temporary, path);
      await syncFolder(dirname(path));
    } catch (reason) {
      await rm(temporary, { force: true });
      throw storageError(reason, 'Storing a value');
    }
  }

  async #remove(key: string): Promise<void> {
    try {
      await unlink(this.#pathOf(key));
    } catch (reason) {
      if (errnoOf(reason) !== 'ENOENT') throw storageError(reason, 'Removing a value');
    }
  }

  /** Looks again first: a new value may have come meanwhile. */
  async #removeExpired(key: string): Promise<void> {
    await this.#changes.exclusive(key, async () => {
      const kept = await this.#read(key);
      if (kept && kept.expiresAtMs <= this.#clock.now()) await this.#remove(key);
    });
  }

  /** The key is foreign: only its hash becomes part of a path (S1). */
  #pathOf(key: string): string {
    return this.#placeOf(nameOf(key));
  }

  #placeOf(name: string): string {
    return join(this.#folder.path, 'values', name.slice(0, 2), name);
  }
}

const isName = /^[0-9a-f]{64}$/;

function nameOf(key: string): string {
  return hash('sha256', key, 'hex');
}
