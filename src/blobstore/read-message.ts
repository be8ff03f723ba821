import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { Digest } from '../digest/digest.js';
import { missingBlobsError } from '../digest/missing-blobs.js';
import { decodeMessage, type MessageType } from '../proto/any.js';
import { BlobNotFoundError, type BlobStore } from './blob-store.js';
import { readBlob } from './read-blob.js';

/** A blob that should hold a message. */
export interface MessageBlob<Message> {
  /** Names it in errors, such as `a Command`. */
  readonly what: string;
  readonly digest: Digest;
  readonly type: MessageType<Message, never>;
  /** A larger blob is not even read: decoding it would need many times its size (U4). @defaultValue 16 MiB */
  readonly maxBytes?: number;
}

const defaultMaxBytes = 16 * 1024 * 1024;

/** Reads a message. Throws BlobNotFoundError, and INVALID_ARGUMENT for a blob that is too large or does not decode. */
export async function readMessage<Message>(
  blobs: BlobStore,
  { what, digest, type, maxBytes = defaultMaxBytes }: MessageBlob<Message>,
  signal?: AbortSignal,
): Promise<Message> {
  if (digest.sizeBytes > maxBytes) {
    throw new StatusError(
      Code.InvalidArgument,
      `Blob ${String(digest)} is too large for ${what}: at most ${maxBytes} bytes are possible`,
    );
  }
  return decodeMessage(what, type, await readBlob(blobs, digest, signal));
}

/** As {@link readMessage}, for what an execution needs: a client that is told of a missing blob uploads it (EX-9). */
export async function readInputMessage<Message>(
  blobs: BlobStore,
  blob: MessageBlob<Message>,
  signal?: AbortSignal,
): Promise<Message> {
  try {
    return await readMessage(blobs, blob, signal);
  } catch (reason) {
    if (reason instanceof BlobNotFoundError) throw missingBlobsError([blob.digest], { cause: reason });
    throw reason;
  }
}
