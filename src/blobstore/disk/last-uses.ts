import { type FileHandle, open, readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { Breather } from '../../common/breather.js';
import type { Clock } from '../../common/clock.js';
import type { Logger } from '../../common/logger.js';
import { errnoOf } from '../../common/status-error.js';
import type { StoreFolder } from '../../common/store-folder.js';
import { type BlobIndex, promiseSeconds, unknownUse } from './blob-index.js';
import { fields } from './blob-slots.js';
import type { BlobTable } from './blob-table.js';

// The file: a header of 8 words of 32 bits, then 5 words for each blob; all as this machine orders its bytes.
//
// header: magic, version, last use (low, high), bytes in files of their own (low, high), 0, 0
// blob:   first two words of the hash, last use (low, high), promised until

const magic = 0x62_75_73_65;
const version = 1;
const headerWords = 8;
const entryWords = 5;
const wordRange = 2 ** 32;

/** So many blobs are looked at before others may have the event loop. */
const sliceLength = 1024;

const saveEveryMs = 60_000;

/** What {@link LastUses} works with; all of it belongs to the store. */
export interface LastUsesDependencies {
  readonly folder: StoreFolder;
  readonly index: BlobIndex;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Carries over a restart when blobs were used last, and until when they were promised to stay. A blob is known by the
 * first words of its hash, so that a million of them take 20 MB. The file is written once a minute and at the end. When it
 * is lost or wrong, nothing is lost but the order in which blobs are evicted.
 */
export class LastUses implements AsyncDisposable {
  readonly #deps: LastUsesDependencies;
  readonly #path: string;
  readonly #stop = new AbortController();
  /** What the file said, until it is in the index. */
  #saved: Int32Array | undefined;
  #savedUse = 0;
  #isFailing = false;
  #run: Promise<void> | undefined;

  private constructor(dependencies: LastUsesDependencies) {
    this.#deps = dependencies;
    this.#path = join(dependencies.folder.path, 'uses');
  }

  /** Reads the file. The uses that are still to come count as later than those in it. */
  static async load(dependencies: LastUsesDependencies): Promise<LastUses> {
    const uses = new LastUses(dependencies);
    const saved = await uses.#read();
    uses.#saved = saved;
    if (saved) dependencies.index.skipUsesTo(numberAt(saved, 2));
    return uses;
  }

  /** How many bytes were in files of their own when the file was written, if {@link restore} has not run yet. */
  get fileBytes(): number | undefined {
    return this.#saved && numberAt(this.#saved, 4);
  }

  /**
   * Tells the index of the blobs that it knows from listings alone, and keeps the file up to date from now on. Blobs that
   * the file does not know are newer than it, and count as just used.
   */
  async restore(): Promise<void> {
    const { index } = this.#deps;
    const breather = new Breather();
    const words = this.#saved ?? new Int32Array(headerWords);
    const [lastUse, latestPromise] = [numberAt(words, 2), this.#deps.clock.now() / 1000 + promiseSeconds];
    for (let at = headerWords; at + entryWords <= words.length; at += entryWords) {
      for (const table of index.tables) restoreEntry(table, words, at, { lastUse, latestPromise });
      if (at % sliceLength === 0) await breather.breathe();
    }
    this.#saved = undefined;
    for (const { slots } of index.tables) {
      for (let slot = 0; slot < slots.end; slot += 1) {
        if (slots.useOf(slot) === unknownUse) index.use(slots, slot);
        if (slot % sliceLength === 0) await breather.breathe();
      }
    }
    this.#run = this.#saveAgainAndAgain();
  }

  /** Writes the file for the last time, also when the process stops before {@link restore} has run. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    await this.#run;
    await this.#save();
  }

  async #read(): Promise<Int32Array | undefined> {
    try {
      const bytes = await readFile(this.#path);
      const words = new Int32Array(Math.max(headerWords, Math.floor(bytes.length / 4)));
      bytes.copy(Buffer.from(words.buffer));
      if (words[0] === magic && words[1] === version && isPossible(numberAt(words, 2))) return words;
      this.#deps.logger.warn({ path: this.#path }, 'The last uses of blobs are lost');
    } catch (reason) {
      if (errnoOf(reason) !== 'ENOENT') this.#deps.logger.warn({ err: reason }, 'The last uses of blobs are lost');
    }
    return undefined;
  }

  async #saveAgainAndAgain(): Promise<void> {
    const { signal } = this.#stop;
    const stopped = (): boolean => signal.aborted;
    while (!stopped()) {
      await this.#deps.clock.sleep(saveEveryMs, signal);
      if (!stopped()) await this.#save();
    }
  }

  /** Never rejects. */
  async #save(): Promise<void> {
    const { folder, index, logger } = this.#deps;
    const { lastUse } = index;
    if (lastUse === this.#savedUse) return;
    try {
      const temporary = folder.temporaryName();
      const file = await open(temporary, 'w');
      try {
        await this.#write(file);
        await file.datasync();
      } finally {
        await file.close();
      }
      await rename(temporary, this.#path);
      this.#savedUse = lastUse;
      this.#isFailing = false;
    } catch (reason) {
      if (!this.#isFailing) logger.warn({ err: reason }, 'The last uses of blobs cannot be saved');
      this.#isFailing = true;
    }
  }

  async #write(file: FileHandle): Promise<void> {
    const { index } = this.#deps;
    const fileBytes = Math.max(index.fileBytes, this.fileBytes ?? 0);
    const header = [magic, version, ...wordsOf(index.lastUse), ...wordsOf(fileBytes), 0, 0];
    await file.write(Buffer.from(Int32Array.from(header).buffer));
    const breather = new Breather();
    for (const { slots } of index.tables) {
      for (let slot = 0; slot < slots.end;) {
        const words = new Int32Array(sliceLength * entryWords);
        let end = 0;
        for (; slot < slots.end && end < words.length; slot += 1) {
          if (slots.useOf(slot) === 0) continue;
          words[end++] = slots.hashWord(slot, 0);
          words[end++] = slots.hashWord(slot, 1);
          words[end++] = slots.get(slot, fields.useLow);
          words[end++] = slots.get(slot, fields.useHigh);
          words[end++] = slots.get(slot, fields.promisedUntil);
        }
        await file.write(Buffer.from(words.buffer, 0, end * 4));
        await breather.breathe();
      }
    }
    // What is not in the index yet. Of two entries for a blob, the first tells its last use, and the longer promise counts.
    if (this.#saved) await file.write(Buffer.from(this.#saved.buffer, headerWords * 4));
  }
}

interface Limits {
  readonly lastUse: number;
  readonly latestPromise: number;
}

/** Takes what an entry says where it can be true: the file may be damaged. */
function restoreEntry(table: BlobTable, words: Int32Array, at: number, { lastUse, latestPromise }: Limits): void {
  const slot = table.findByStart(words[at] ?? 0, words[at + 1] ?? 0);
  if (slot < 0) return;
  const { slots } = table;
  const use = numberAt(words, at + 2);
  if (slots.useOf(slot) === unknownUse && use > unknownUse && use <= lastUse) slots.setUse(slot, use);
  const promisedUntil = (words[at + 4] ?? 0) >>> 0;
  const isLater = promisedUntil > slots.promisedUntilOf(slot);
  if (isLater && promisedUntil <= latestPromise) slots.set(slot, fields.promisedUntil, promisedUntil);
}

function numberAt(words: Int32Array, at: number): number {
  return ((words[at + 1] ?? 0) >>> 0) * wordRange + ((words[at] ?? 0) >>> 0);
}

function wordsOf(number: number): readonly [number, number] {
  return [number % wordRange, Math.floor(number / wordRange)];
}

function isPossible(use: number): boolean {
  return use > unknownUse && use < 2 ** 52;
}
