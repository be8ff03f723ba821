import { readdir } from 'node:fs/promises';
import { Breather } from '../../common/breather.js';
import type { Clock } from '../../common/clock.js';
import type { KeyedMutex } from '../../common/keyed-mutex.js';
import type { Logger } from '../../common/logger.js';
import { errnoOf } from '../../common/status-error.js';
import { Digest } from '../../digest/digest.js';
import type { DigestFunction } from '../../digest/digest-function.js';
import type { BlobFiles, Shard } from './blob-files.js';
import type { BlobIndex } from './blob-index.js';

/** What {@link FileListing} works with; all of it belongs to the store. */
export interface FileListingDependencies {
  readonly files: BlobFiles;
  readonly index: BlobIndex;
  /** Held by whoever adds or removes the file of a blob. */
  readonly changes: KeyedMutex;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A folder that could not be read is tried again after this time. */
const retryMs = 60_000;

/**
 * Learns from the names of files which blobs there are, in the background. Until all are read, a blob that the index does not
 * know is looked for by its name.
 */
export class FileListing implements AsyncDisposable {
  readonly #deps: FileListingDependencies;
  readonly #stop = new AbortController();
  /** What was removed while the names were read: they may still be in a list that was made before. */
  readonly #removed = new Set<string>();
  #isComplete = false;
  #firstPass: Promise<void> = Promise.resolve();
  #run: Promise<void> = Promise.resolve();
  #setAside: ((digest: Digest) => Promise<void>) | undefined;
  #settingAside: Promise<void> = Promise.resolve();

  constructor(dependencies: FileListingDependencies) {
    this.#deps = dependencies;
  }

  /** Whether the index knows all files. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** Begins to read; `afterFirstPass` is called when all is in the index that could be read. */
  start(afterFirstPass: () => Promise<void>): void {
    this.#firstPass = this.#pass().then(() => (this.isStopped ? undefined : afterFirstPass()));
    this.#run = this.#firstPass.then(() => this.#retry());
  }

  /** Has files put aside that turn out to be cut off, so that they are not found again after the next start. */
  whenCutOff(setAside: (digest: Digest) => Promise<void>): void {
    this.#setAside = setAside;
  }

  /** Ends early what is under way. */
  stop(): void {
    this.#stop.abort();
  }

  get isStopped(): boolean {
    return this.#stop.signal.aborted;
  }

  /** Resolves when all is in the index that could be read. */
  async settled(): Promise<void> {
    await this.#firstPass;
  }

  /** Enters a blob into the index if its file is there. Returns whether it is. */
  async find(digest: Digest): Promise<boolean> {
    const { changes, files, index } = this.#deps;
    if (this.#isComplete) return false;
    return changes.exclusive(digest.key, async () => {
      if (!this.#isWhole(digest, await files.sizeOf(digest.key))) return false;
      index.addListedFile(digest);
      return true;
    });
  }

  /** To be told before a file is removed. */
  noteRemoval(key: string): void {
    if (!this.#isComplete) this.#removed.add(key);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    await this.#run;
    await this.#settingAside;
  }

  /** What is reported as missing since its file is cut off must not be taken for present when its name is read (CAS-4). */
  #isWhole(digest: Digest, foundBytes: number | undefined): boolean {
    if (foundBytes !== undefined && foundBytes !== digest.sizeBytes) {
      this.noteRemoval(digest.key);
      this.#settingAside = this.#settingAside.then(() => this.#setAside?.(digest)).catch(this.#noteFailure);
    }
    return foundBytes === digest.sizeBytes;
  }

  readonly #noteFailure = (reason: unknown): void => {
    this.#deps.logger.error({ err: reason }, 'A file that is cut off cannot be put aside');
  };

  async #retry(): Promise<void> {
    const goesOn = (): boolean => !this.#isComplete && !this.isStopped;
    while (goesOn()) {
      await this.#deps.clock.sleep(retryMs, this.#stop.signal);
      if (goesOn()) await this.#pass();
    }
  }

  /** Reads all names once. Never rejects: what cannot be read is logged. */
  async #pass(): Promise<void> {
    try {
      for (const shard of await this.#deps.files.shards()) {
        if (this.isStopped) return;
        await this.#read(shard);
      }
      this.#isComplete = true;
      this.#removed.clear();
    } catch (reason) {
      this.#deps.logger.error({ err: reason }, 'The names of blobs cannot be read; trying again in a minute');
    }
  }

  async #read({ fn, path }: Shard): Promise<void> {
    const { index } = this.#deps;
    const breather = new Breather();
    for (const name of await namesIn(path)) {
      const digest = digestOf(fn, name);
      if (!digest || (this.#removed.size > 0 && this.#removed.has(digest.key))) continue;
      index.addListedFile(digest);
      await breather.breathe();
    }
  }
}

async function namesIn(path: string): Promise<readonly string[]> {
  try {
    return await readdir(path);
  } catch (reason) {
    if (errnoOf(reason) === 'ENOTDIR') return [];
    throw reason;
  }
}

/** The blob whose file has this name, if it is one. The empty blob has none. */
function digestOf(fn: DigestFunction, name: string): Digest | undefined {
  const [hash = '', size = '', ...others] = name.split('-');
  const isHash = others.length === 0 && fn.hashes(hash) && hash !== fn.emptyHash;
  const isName = isHash && /^[1-9]\d{0,14}$/.test(size);
  return isName ? Digest.from(hash, Number(size), fn) : undefined;
}
