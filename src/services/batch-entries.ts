import type { Blob, BlobStore } from '../blobstore/blob-store.js';
import { readBlob } from '../blobstore/read-blob.js';
import type { ZstdCodec } from '../codec/zstd/zstd-codec.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { Digest, type DigestMessage } from '../digest/digest.js';
import { digestFunctionOf } from '../digest/digest-function.js';
import { reapi } from '../proto/index.js';
import { statusMessageOf } from '../proto/status.js';

const { IDENTITY, ZSTD } = reapi.Compressor.Value;

/** Smaller blobs are answered as they are: a digest and a status are sent with each anyway. */
const worthCompressingBytes = 512;

/** What the entries of a batch have in common. */
export interface BatchTerms {
  readonly digestFunction: number;
  readonly zstd: ZstdCodec;
  /** Whether the client takes zstd (CAS-8). */
  readonly acceptsZstd?: boolean;
  /** Throws for a blob that must not be written. */
  readonly check?: (digest: Digest) => void;
}

type BatchEntry = reapi.BatchUpdateBlobsRequest.Request.$Properties;

/** The blob that an entry of BatchUpdateBlobs brings, uncompressed, or why it is refused (CAS-7); at once if it can be. */
export function blobOfEntry(
  entry: BatchEntry,
  terms: BatchTerms,
  signal?: AbortSignal,
): Blob | StatusError | Promise<Blob | StatusError> {
  const { digest: message, data, compressor } = entry;
  try {
    const digest = Digest.fromProto(message, digestFunctionOf(terms.digestFunction, message?.hash));
    terms.check?.(digest);
    if ((compressor ?? IDENTITY) === IDENTITY) return { digest, data: data ?? new Uint8Array() };
    return decompressed(digest, entry, terms, signal);
  } catch (reason) {
    return StatusError.from(reason);
  }
}

async function decompressed(
  digest: Digest,
  { data, compressor }: BatchEntry,
  { zstd }: BatchTerms,
  signal?: AbortSignal,
): Promise<Blob | StatusError> {
  try {
    if (compressor === ZSTD && (await zstd.isAvailable())) {
      return { digest, data: await zstd.decompressBytes(data ?? new Uint8Array(), digest.sizeBytes, signal) };
    }
    throw new StatusError(Code.InvalidArgument, `Compressor ${compressor ?? ''} is not offered here: use IDENTITY`);
  } catch (reason) {
    signal?.throwIfAborted();
    return StatusError.from(reason);
  }
}

/** The answer to an entry of BatchReadBlobs. A blob that cannot be read fails alone (CAS-5). */
export async function readEntry(
  blobs: BlobStore,
  message: DigestMessage,
  { digestFunction, zstd, acceptsZstd = false }: BatchTerms,
  signal: AbortSignal,
): Promise<reapi.BatchReadBlobsResponse.Response.$Properties> {
  try {
    const digest = Digest.fromProto(message, digestFunctionOf(digestFunction, message.hash));
    const data = await readBlob(blobs, digest, signal);
    const status = statusMessageOf(undefined);
    if (acceptsZstd && data.length >= worthCompressingBytes && (await zstd.isAvailable())) {
      const compressed = await zstd.compressBytes(data);
      if (compressed.length < data.length) return { digest: message, data: compressed, compressor: ZSTD, status };
    }
    return { digest: message, data, status };
  } catch (reason) {
    signal.throwIfAborted();
    return { digest: message, status: statusMessageOf(StatusError.from(reason)) };
  }
}
