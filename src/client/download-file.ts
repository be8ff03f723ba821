import { writeFile } from 'node:fs/promises';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { BlobStore } from '../blobstore/blob-store.js';
import type { Digest } from '../digest/digest.js';
import { replaceFile } from './replace-file.js';

/** Which blob becomes which file. */
export interface Download {
  readonly digest: Digest;
  /** The folder above it must exist. */
  readonly path: string;
  /** @defaultValue false */
  readonly isExecutable?: boolean;
}

/**
 * Writes a blob to a file, which appears at once and whole or not at all (CL-5). `blobs` must verify what it reads, as RemoteBlobStore does. Never replaces a folder. Throws BlobNotFoundError.
 */
export async function downloadFile(
  blobs: BlobStore,
  { digest, path, isExecutable = false }: Download,
  signal?: AbortSignal,
): Promise<void> {
  // The user's umask applies, as to every file that a tool makes.
  const mode = isExecutable ? 0o777 : 0o666;
  const write = (): Promise<void> =>
    replaceFile(path, (temporaryPath) =>
      writeFile(temporaryPath, blobs.read(digest, {}, signal), { flag: 'wx', mode }),
    );
  try {
    await write();
  } catch (reason) {
    // Damaged on its way, perhaps: once more, then it is an error.
    if (!(reason instanceof StatusError) || reason.code !== Code.DataLoss) throw reason;
    await write();
  }
}
