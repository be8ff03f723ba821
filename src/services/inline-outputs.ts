import type { Blob, BlobStore } from '../blobstore/blob-store.js';
import { readBlob } from '../blobstore/read-blob.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { DigestFunction } from '../digest/digest-function.js';
import { Digest, type DigestMessage } from '../digest/digest.js';
import { reapi } from '../proto/index.js';

/** Which bytes a client wants beside the digests, so that it need not fetch them; as in its request. */
export interface InlineHints {
  readonly inlineStdout?: boolean | null;
  readonly inlineStderr?: boolean | null;
  readonly inlineOutputFiles?: readonly string[] | null;
}

/** What {@link inlineOutputs} depends on. */
export interface InlineOptions {
  readonly blobs: BlobStore;
  /** The function of the digests in the result. */
  readonly fn: DigestFunction;
}

/** Room in a message of 4 MiB, the most that many clients take, with some for what wraps the result. */
const messageBytes = 4 * 1024 * 1024 - 64 * 1024;

const noBytes = new Uint8Array();

/**
 * Returns `result` with the bytes that `hints` ask for, as far as the message limit allows, and without those that they
 * do not ask for (AC-3). Digests stay set beside the bytes. A blob that cannot be read is left to the client.
 */
export async function inlineOutputs(
  result: reapi.ActionResult.$Properties,
  hints: InlineHints,
  { blobs, fn }: InlineOptions,
  signal?: AbortSignal,
): Promise<reapi.ActionResult.$Properties> {
  const inlined = withoutDuplicates(result);
  let room = messageBytes - reapi.ActionResult.encode(inlined).finish().length;
  const fetch = async (message: DigestMessage | null | undefined): Promise<Uint8Array> => {
    const bytes = message ? await readIfSmall(blobs, Digest.fromProto(message, fn), room, signal) : noBytes;
    room -= bytes.length;
    return bytes;
  };
  if (hints.inlineStdout && isEmpty(inlined.stdoutRaw)) inlined.stdoutRaw = await fetch(inlined.stdoutDigest);
  if (hints.inlineStderr && isEmpty(inlined.stderrRaw)) inlined.stderrRaw = await fetch(inlined.stderrDigest);
  const wanted = new Set(hints.inlineOutputFiles ?? []);
  for (const file of inlined.outputFiles ?? []) {
    if (wanted.has(file.path ?? '') && isEmpty(file.contents)) file.contents = await fetch(file.digest);
  }
  return inlined;
}

/**
 * Returns `result` with digests in place of bytes, which it stores in `blobs` first (AC-3, AC-4). Throws INVALID_ARGUMENT
 * if bytes and digest disagree.
 */
export async function storeInlinedOutputs(
  result: reapi.ActionResult.$Properties,
  { blobs, fn }: InlineOptions,
  signal?: AbortSignal,
): Promise<reapi.ActionResult.$Properties> {
  const stored = copyOf(result);
  const pending: Blob[] = [];
  const digestOf = (bytes: Uint8Array, given: DigestMessage | null | undefined): DigestMessage => {
    const digest = Digest.of(bytes, fn);
    if (given && !digest.equals(Digest.fromProto(given, fn))) {
      throw new StatusError(
        Code.InvalidArgument,
        `Inlined bytes have the digest ${String(digest)}, not the given ${given.hash ?? ''}/${given.sizeBytes ?? 0}`,
      );
    }
    pending.push({ digest, data: bytes });
    return digest.toProto();
  };
  if (stored.stdoutRaw?.length) stored.stdoutDigest = digestOf(stored.stdoutRaw, stored.stdoutDigest);
  if (stored.stderrRaw?.length) stored.stderrDigest = digestOf(stored.stderrRaw, stored.stderrDigest);
  for (const file of stored.outputFiles ?? []) {
    if (file.contents?.length) file.digest = digestOf(file.contents, file.digest);
  }
  if (pending.length === 0) return result;
  for (const failure of await blobs.writeBatch(pending, signal)) if (failure) throw failure;
  return withoutDuplicates(stored);
}

function copyOf(result: reapi.ActionResult.$Properties): reapi.ActionResult.$Properties {
  return { ...result, outputFiles: (result.outputFiles ?? []).map((file) => ({ ...file })) };
}

/** Drops the bytes that a digest stands for. */
function withoutDuplicates(result: reapi.ActionResult.$Properties): reapi.ActionResult.$Properties {
  const copy = copyOf(result);
  if (copy.stdoutDigest) copy.stdoutRaw = noBytes;
  if (copy.stderrDigest) copy.stderrRaw = noBytes;
  for (const file of copy.outputFiles ?? []) if (file.digest) file.contents = noBytes;
  return copy;
}

async function readIfSmall(
  blobs: BlobStore,
  digest: Digest,
  room: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  if (digest.isEmpty || digest.sizeBytes > room) return noBytes;
  try {
    return await readBlob(blobs, digest, signal);
  } catch (reason) {
    if (signal?.aborted) throw reason;
    return noBytes;
  }
}

function isEmpty(bytes: Uint8Array | null | undefined): boolean {
  return !bytes || bytes.length === 0;
}
