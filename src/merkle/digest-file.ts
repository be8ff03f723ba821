import { constants } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { Code } from '../common/code.js';
import { StatusError, errnoOf } from '../common/status-error.js';
import { Digest } from '../digest/digest.js';
import type { DigestFunction } from '../digest/digest-function.js';

/** What a regular file is, as a FileNode or an OutputFile tells it. */
export interface DigestedFile {
  readonly digest: Digest;
  /** The owner's exec bit (CMD-11). */
  readonly isExecutable: boolean;
}

/** Files up to this size are read and hashed in one go. */
const chunkBytes = 1024 * 1024;

/** How files are read: a link in place of one is not followed (S2), and a fifo does not block the open for ever. */
export const openFlags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Hashes a regular file as a stream, in bounded memory. The last component of `path` is not followed if it is a link.
 * A file that grows or shrinks meanwhile gets the digest of what was read. Throws NOT_FOUND, PERMISSION_DENIED, or
 * INVALID_ARGUMENT for what is no regular file.
 */
export async function digestFile(path: string, fn: DigestFunction, signal?: AbortSignal): Promise<DigestedFile> {
  const file = await openRegular(path);
  try {
    const { mode } = await file.stat();
    return { digest: await digestContent(file, fn, signal), isExecutable: (mode & 0o100) !== 0 };
  } finally {
    await file.close();
  }
}

async function openRegular(path: string): Promise<FileHandle> {
  let file: FileHandle;
  try {
    file = await open(path, openFlags);
  } catch (reason) {
    throw fileError(path, reason);
  }
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw new StatusError(Code.InvalidArgument, `${path} is no regular file`);
}

async function digestContent(file: FileHandle, fn: DigestFunction, signal?: AbortSignal): Promise<Digest> {
  const hasher = fn.createHasher();
  const { size } = await file.stat();
  const buffer = Buffer.allocUnsafe(Math.min(size + 1, chunkBytes));
  let sizeBytes = 0;
  for (;;) {
    signal?.throwIfAborted();
    const { bytesRead } = await file.read(buffer, 0, buffer.length, sizeBytes);
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
