import { randomUUID } from 'node:crypto';
import { mkdir, open, readFile, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Code } from './code.js';
import { makeFolder, syncFolder } from './durable-folder.js';
import { FolderLock } from './folder-lock.js';
import { StatusError, errnoOf } from './status-error.js';
import { storageError } from './storage-error.js';

/** What {@link StoreFolder.open} is told. */
export interface StoreFolderOptions {
  readonly path: string;
  /** Names what lives in the folder and the version of its layout, such as `bgd-blobs 1`. */
  readonly format: string;
  /** Formats whose folders are good for {@link format} as they are: such a folder is renamed to it. */
  readonly olderFormats?: readonly string[];
}

/** Files of the folder itself; everything else belongs to the store. */
const formatName = 'format';
const own = new Set(['lock', 'tmp']);

/** A folder of a store: locked by this process, of a known format, with a place for files that are being written. */
export class StoreFolder implements AsyncDisposable {
  readonly path: string;
  readonly #lock: FolderLock;

  private constructor(path: string, lock: FolderLock) {
    this.path = path;
    this.#lock = lock;
  }

  /**
   * Makes the folder where it is missing, locks it, and sweeps out what a crash left half-written. Throws
   * FAILED_PRECONDITION if another process has it, its format is not one of the wanted ones, or it is no folder.
   */
  static async open(options: StoreFolderOptions): Promise<StoreFolder> {
    try {
      return await StoreFolder.#open(options);
    } catch (reason) {
      throw openError(reason, options.path);
    }
  }

  static async #open(options: StoreFolderOptions): Promise<StoreFolder> {
    const { path } = options;
    await makeFolder(path);
    const lock = await FolderLock.acquire(path);
    try {
      await checkFormat(options);
      await rm(join(path, 'tmp'), { recursive: true, force: true });
      await mkdir(join(path, 'tmp'));
      return new StoreFolder(path, lock);
    } catch (reason) {
      await lock[Symbol.asyncDispose]();
      throw reason;
    }
  }

  /** A fresh name in the file system of the store; what is still there at the next start is swept out. */
  temporaryName(): string {
    return join(this.path, 'tmp', randomUUID());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#lock[Symbol.asyncDispose]();
  }
}

async function checkFormat({ path, format, olderFormats = [] }: StoreFolderOptions): Promise<void> {
  const found = await readFormat(path);
  if (found === format) return;
  if (found === undefined) await refuseStrangers(path);
  else if (!olderFormats.includes(found)) throw wrongFormat(path, found, format);
  await writeFormat(path, format);
}

function wrongFormat(path: string, found: string, wanted: string): StatusError {
  const [foundName, foundVersion] = found.split(' ');
  const [name, version] = wanted.split(' ');
  const why =
    foundName === name && Number(foundVersion) > Number(version)
      ? 'it was written by a newer version of bgd; use that version, or another folder'
      : 'it was written for another purpose; use another folder';
  const text = `Folder ${path} has the format ${JSON.stringify(found)}, not ${JSON.stringify(wanted)}: ${why}`;
  return new StatusError(Code.FailedPrecondition, text);
}

async function refuseStrangers(path: string): Promise<void> {
  const [stranger] = (await readdir(path)).filter((name) => !own.has(name));
  if (stranger === undefined) return;
  throw new StatusError(
    Code.FailedPrecondition,
    `Folder ${path} holds ${JSON.stringify(stranger)} but no ${formatName} file, so it is not a store: use an empty folder`,
  );
}

async function readFormat(path: string): Promise<string | undefined> {
  try {
    return (await readFile(join(path, formatName), 'utf8')).slice(0, 100).trim();
  } catch (reason) {
    if (errnoOf(reason) === 'ENOENT') return undefined;
    throw reason;
  }
}

async function writeFormat(path: string, format: string): Promise<void> {
  await mkdir(join(path, 'tmp'), { recursive: true });
  const temporary = join(path, 'tmp', formatName);
  await using file = await open(temporary, 'w');
  await file.writeFile(`${format}\n`);
  await file.sync();
  await rename(temporary, join(path, formatName));
  await syncFolder(path);
}

function openError(reason: unknown, path: string): StatusError {
  const errno = errnoOf(reason);
  if (errno === 'EEXIST' || errno === 'ENOTDIR') {
    const text = `Cannot keep data in ${path}: it is or lies below a file, where a folder is wanted`;
    return new StatusError(Code.FailedPrecondition, text, { cause: reason });
  }
  return storageError(reason, `Opening the folder ${path}`);
}
