import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from '../common/logger.js';
import { removeTree } from '../merkle/remove-tree.js';
import { recordProcess } from './process-record.js';

/** The name of the file in an attempt's folder that says which process runs there. */
export const processRecordName = 'process';

/** The folder of one attempt at one action. Disposal removes it with all that the action has left in it. */
export class Attempt implements AsyncDisposable {
  readonly #path: string;
  readonly #logger: Logger;

  constructor(path: string, logger: Logger) {
    this.#path = path;
    this.#logger = logger;
  }

  /** Where the input root goes; not there yet. */
  get inputRoot(): string {
    return join(this.#path, 'root');
  }

  get stdoutFile(): string {
    return join(this.#path, 'stdout');
  }

  get stderrFile(): string {
    return join(this.#path, 'stderr');
  }

  /** Notes the process of the action, so that it can be ended at the next start if the bot dies before it. */
  recordProcess(pid: number): void {
    writeFileSync(join(this.#path, processRecordName), JSON.stringify(recordProcess(pid) ?? null));
  }

  /** Never rejects: an action that ended well is not undone by a folder that stays. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await removeTree(this.#path);
    } catch (err) {
      this.#logger.warn({ err, path: this.#path }, 'Work folder could not be removed; the next start tries again');
    }
  }
}
