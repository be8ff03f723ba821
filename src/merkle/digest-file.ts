import { closeSync, constants, fstatSync, open, openSync, read, readSync, type Stats } from 'node:fs';
import { promisify } from 'node:util';
import { Code } from '../common/code.js';
import { StatusError, errnoOf } from '../common/status-error.js';
import { Digest } from '../digest/digest.js';
import type { DigestFunction } from '../digest/digest-function.js';
import { ReadPace } from './read-pace.js';

/** What a regular file is, as a FileNode or an OutputFile tells it. */
export interface DigestedFile {
  readonly digest: Digest;
  /** The owner's exec bit (CMD-11). */
  readonly isExecutable: boolean;
  /** All that was hashed, where it came in one read: of files up to 128 KiB, if they keep still. */
  readonly data?: Buffer;
}

/** Larger files are read into a buffer of {@link chunkBytes}, again and again. */
const maxDataBytes = 128 * 1024;

const chunkBytes = 1024 * 1024;

/** How files are read: a link in place of one is not followed (S2), and a fifo does not block the open for ever. */
export const openFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

const openFile = promisify(open);
const readFile = promisify(read);

/**
 * Hashes a regular file as a stream, in bounded memory. The last component of `path` is not followed if it is a link.
 * A file that grows or shrinks meanwhile gets the digest of what was read. Throws NOT_FOUND, PERMISSION_DENIED, or
 * INVALID_ARGUMENT for what is no regular file.
 */
export async function digestFile(path: string, fn: DigestFunction, signal?: AbortSignal): Promise<DigestedFile> {
  const start = performance.now();
  const isQuick = pace.isQuick();
  const { file, stats } = openedRegular(path, isQuick ? openAtOnce(path) : await openLater(path));
  try {
    const isExecutable = (stats.mode & 0o100) !== 0;
    if (stats.size > maxDataBytes) return { digest: await digestContent(file, fn, { signal }), isExecutable };
    // One byte more than there is: a read that does not fill the buffer has met the end.
    const buffer = Buffer.allocUnsafeSlow(stats.size + 1);
    const length = isQuick ? readSync(file, buffer, 0, buffer.length, 0) : await readFrom(file, buffer, 0);
    if (isQuick) await pace.took(performance.now() - start);
    const data = buffer.subarray(0, length);
    if (length !== stats.size) return { digest: await digestContent(file, fn, { signal, head: data }), isExecutable };
    return { digest: Digest.of(data, fn), isExecutable, data };
  } finally {
    closeSync(file);
  }
}

/** One for all: what is slow is a disk, and all read the same. */
const pace = new ReadPace();

function openAtOnce(path: string): number {
  try {
    return openSync(path, openFlags);
  } catch (reason) {
    throw fileError(path, reason);
  }
}

function openLater(path: string): Promise<number> {
  return openFile(path, openFlags).catch((reason: unknown) => {
    throw fileError(path, reason);
  });
}

async function readFrom(file: number, buffer: Buffer, position: number): Promise<number> {
  return (await readFile(file, buffer, 0, buffer.length, position)).bytesRead;
}

/** What is open is asked and closed at once: neither waits for a disk. */
function openedRegular(path: string, file: number): { readonly file: number; readonly stats: Stats } {
  const stats = fstatSync(file);
  if (stats.isFile()) return { file, stats };
  closeSync(file);
  throw new StatusError(Code.InvalidArgument, `${path} is no regular file`);
}

interface ContentOptions {
  /** What stands in front, and has been read. */
  readonly head?: Buffer;
  readonly signal: AbortSignal | undefined;
}

async function digestContent(file: number, fn: DigestFunction, options: ContentOptions): Promise<Digest> {
  const { head = Buffer.alloc(0), signal } = options;
  const hasher = fn.createHasher();
  hasher.update(head);
  const buffer = Buffer.allocUnsafe(chunkBytes);
  for (let sizeBytes = head.length; ;) {
    signal?.throwIfAborted();
    const bytesRead = await readFrom(file, buffer, sizeBytes);
    if (bytesRead === 0) return Digest.from(hasher.digest(), sizeBytes, fn);
    hasher.update(buffer.subarray(0, bytesRead));
    sizeBytes += bytesRead;
  }
}

/** What the user needs to know of a failed open, and the code that commands and bots act on. */
const fileFaults: Readonly<Record<string, readonly [Code, string]>> = {
  ENOENT: [Code.NotFound, 'does not exist'],
  ENOTDIR: [Code.InvalidArgument, 'is no folder, or lies below a file'],
  EACCES: [Code.PermissionDenied, 'may not be used by this user'],
  EPERM: [Code.PermissionDenied, 'may not be used by this user'],
  ELOOP: [Code.InvalidArgument, 'is a symbolic link, which is not followed'],
  ENXIO: [Code.InvalidArgument, 'is no regular file'],
  ENAMETOOLONG: [Code.InvalidArgument, 'is longer than this machine allows'],
};

/** Says in one line what is wrong with a file or folder that the caller named. */
export function fileError(path: string, reason: unknown): StatusError {
  const [code, fault] = fileFaults[errnoOf(reason) ?? ''] ?? [];
  if (code === undefined) return StatusError.from(reason).wrap(path);
  return new StatusError(code, `${path} ${fault ?? ''}`, { cause: reason });
}
