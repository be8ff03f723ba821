import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readdir, readFile, realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import type { Logger } from '../common/logger.js';
import { StoreFolder } from '../common/store-folder.js';
import { Attempt, processRecordName } from './attempt.js';
import { killRecorded } from './process-record.js';

const processRecord = z.strictObject({ pid: z.int().positive(), startTime: z.int(), epoch: z.string() });

/** Where a bot works: one process a folder, and nothing in it outlives the bot by more than its next start. */
export class WorkFolder implements AsyncDisposable {
  /** Names the folder among those of this machine, and stays the same over restarts. */
  readonly id: string;
  readonly #attempts: string;
  readonly #folder: StoreFolder;
  readonly #logger: Logger;

  private constructor(folder: StoreFolder, realPath: string, logger: Logger) {
    this.id = createHash('sha256').update(realPath).digest('hex').slice(0, 8);
    this.#attempts = join(realPath, 'attempts');
    this.#folder = folder;
    this.#logger = logger;
  }

  /**
   * Makes the folder where it is missing, locks it, and ends and removes what a bot that died has left there. Throws
   * FAILED_PRECONDITION if another process has it.
   */
  static async open(path: string, logger: Logger): Promise<WorkFolder> {
    const folder = await StoreFolder.open({ path, format: 'bgd-bot 1' });
    try {
      const opened = new WorkFolder(folder, await realpath(path), logger);
      await opened.#sweep();
      return opened;
    } catch (reason) {
      await folder[Symbol.asyncDispose]();
      throw reason;
    }
  }

  /** Makes a fresh folder for one attempt at an action. */
  async newAttempt(): Promise<Attempt> {
    const path = join(this.#attempts, randomUUID());
    await mkdir(path);
    return new Attempt(path, this.#logger);
  }

  /** Unlocks the folder, so that another bot may have it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#folder[Symbol.asyncDispose]();
  }

  async #sweep(): Promise<void> {
    await mkdir(this.#attempts, { recursive: true });
    for (const name of await readdir(this.#attempts)) {
      const path = join(this.#attempts, name);
      await endProcess(join(path, processRecordName));
      await new Attempt(path, this.#logger)[Symbol.asyncDispose]();
    }
  }
}

async function endProcess(recordFile: string): Promise<void> {
  const text = await readFile(recordFile, 'utf8').catch(() => '');
  const record = processRecord.safeParse(parseJson(text));
  if (record.success) await killRecorded(record.data);
}

/** A record that was being written when the bot died says nothing. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
