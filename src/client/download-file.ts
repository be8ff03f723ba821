import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
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
  const write = (): Promise<void> =>
    replaceFile(path, (temporaryPath) =>
      pipeline(
        blobs.read(digest, {}, signal),
        // The user's umask applies, as to every file that a tool makes.
        createWriteStream(temporaryPath, { flags: 'wx', mode: isExecutable ? 0o777 : 0o666 }),
      ),
    );
  try {
    await write();
  } catch (reason) {
    // Damaged on its way, perhaps: once more, then it is an error.
    if (!(reason instanceof StatusError) || reason.code !== Code.DataLoss) throw reason;
    await write();
  }
}
