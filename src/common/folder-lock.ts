import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { Code } from './code.js';
import { StatusError, errnoOf } from './status-error.js';

/** What flock(1) exits with when another process holds the lock. */
const heldByAnother = 1;

/**
 * A folder that only this process may use. The lock is the kernel's (flock), so it goes when the process does, however
 * it dies, and no stale one can stay behind. Node cannot ask for it: `flock` of util-linux or busybox locks the file
 * descriptor it inherits, and the lock then stays with the open file that both share.
 */
export class FolderLock implements AsyncDisposable {
  readonly #file: FileHandle;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /**
   * Locks the existing folder `path`. Throws FAILED_PRECONDITION naming the process that has it, or saying that there is
   * no `command` to lock it with.
   */
  static async acquire(path: string, command = 'flock'): Promise<FolderLock> {
    const name = join(path, 'lock');
    const file = await open(name, 'a+', 0o644);
    try {
      if ((await flock(command, file, name)) === heldByAnother) throw await inUse(path, file);
      await file.truncate();
      await file.write(`${process.pid}\n`);
      return new FolderLock(file);
    } catch (reason) {
      await file.close();
      throw reason;
    }
  }

  /** Unlocks. The file stays: a name that comes and goes could be locked by two at once. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file.close();
  }
}

async function flock(command: string, file: FileHandle, name: string): Promise<number> {
  const child = spawn(command, ['-x', '-n', '3'], {
    stdio: ['ignore', 'ignore', 'pipe', file.fd],
    // Services are often started with a meagre PATH.
    env: { PATH: `${process.env['PATH'] ?? ''}:/usr/local/bin:/usr/bin:/bin` },
  });
  const complaint: Buffer[] = [];
  child.stderr?.on('data', (chunk: Buffer) => complaint.push(chunk));
  try {
    const [exitCode] = (await once(child, 'close')) as [number | null];
    if (exitCode === 0 || exitCode === heldByAnother) return exitCode;
    const text = Buffer.concat(complaint).toString().trim();
    throw new StatusError(Code.Unavailable, `Cannot lock ${name}: flock ended with ${exitCode ?? 'a signal'}: ${text}`);
  } catch (reason) {
    if (errnoOf(reason) !== 'ENOENT') throw reason;
    const text = `Cannot lock ${name}: there is no ${command} command in the PATH (flock comes with util-linux and busybox)`;
    throw new StatusError(Code.FailedPrecondition, text, { cause: reason });
  }
}

async function inUse(path: string, file: FileHandle): Promise<StatusError> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(20), 0, 20, 0);
  const pid = buffer.toString('latin1', 0, bytesRead).trim();
  if (pid === String(process.pid)) {
    const text = `Folder ${path} is in use by this process, for something else: each wants a folder of its own`;
    return new StatusError(Code.FailedPrecondition, text);
  }
  const holder = pid === '' ? 'another process' : `process ${pid}`;
  return new StatusError(
    Code.FailedPrecondition,
    `Folder ${path} is in use by ${holder}: stop it, or give this one a folder of its own`,
  );
}
