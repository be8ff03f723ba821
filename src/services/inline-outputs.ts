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
  const inlined = copyOf(result);
  const slots = slotsOf(inlined);
  for (const slot of slots) if (slot.digest) slot.bytes = noBytes;
  let room = messageBytes - reapi.ActionResult.encode(inlined).finish().length;
  for (const slot of slots) {
    if (!slot.digest || !slot.isWanted(hints)) continue;
    const digest = Digest.fromProto(slot.digest, fn);
    if (digest.isEmpty || digest.sizeBytes > room) continue;
    slot.bytes = await readIfThere(blobs, digest, signal);
    room -= slot.bytes.length;
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
  for (const slot of slotsOf(stored)) {
    if (!slot.bytes || slot.bytes.length === 0) continue;
    const digest = Digest.of(slot.bytes, fn);
    checkAgrees(digest, slot.digest);
    pending.push({ digest, data: slot.bytes });
    slot.digest = digest.toProto();
    slot.bytes = noBytes;
  }
  if (pending.length === 0) return result;
  for (const failure of await blobs.writeBatch(pending, signal)) if (failure) throw failure;
  return stored;
}

/** A place in a result that holds bytes, a digest, or both. */
interface Slot {
  bytes: Uint8Array | null | undefined;
  digest: DigestMessage | null | undefined;
  isWanted(hints: InlineHints): boolean;
}

/** The places of `result`; what is set in them is set in it. */
function slotsOf(result: reapi.ActionResult.$Properties): Slot[] {
  const stdout: Slot = {
    get bytes() {
      return result.stdoutRaw;
    },
    set bytes(bytes) {
      result.stdoutRaw = bytes ?? null;
    },
    get digest() {
      return result.stdoutDigest;
    },
    set digest(digest) {
      result.stdoutDigest = digest ?? null;
    },
    isWanted: (hints) => hints.inlineStdout ?? false,
  };
  const stderr: Slot = {
    get bytes() {
      return result.stderrRaw;
    },
    set bytes(bytes) {
      result.stderrRaw = bytes ?? null;
    },
    get digest() {
      return result.stderrDigest;
    },
    set digest(digest) {
      result.stderrDigest = digest ?? null;
    },
    isWanted: (hints) => hints.inlineStderr ?? false,
  };
  return [stdout, stderr, ...(result.outputFiles ?? []).map(slotOfFile)];
}

function slotOfFile(file: reapi.OutputFile.$Properties): Slot {
  return {
    get bytes() {
      return file.contents;
    },
    set bytes(bytes) {
      file.contents = bytes ?? null;
    },
    get digest() {
      return file.digest;
    },
    set digest(digest) {
      file.digest = digest ?? null;
    },
    isWanted: ({ inlineOutputFiles }) => inlineOutputFiles?.includes(file.path ?? '') ?? false,
  };
}

function copyOf(result: reapi.ActionResult.$Properties): reapi.ActionResult.$Properties {
  return { ...result, outputFiles: (result.outputFiles ?? []).map((file) => ({ ...file })) };
}

function checkAgrees(digest: Digest, given: DigestMessage | null | undefined): void {
  if (!given || digest.equals(Digest.fromProto(given, digest.function))) return;
  throw new StatusError(
    Code.InvalidArgument,
    `Inlined bytes have the digest ${String(digest)}, not the given ${given.hash ?? ''}/${given.sizeBytes ?? 0}`,
  );
}

async function readIfThere(blobs: BlobStore, digest: Digest, signal: AbortSignal | undefined): Promise<Uint8Array> {
  try {
    return await readBlob(blobs, digest, signal);
  } catch (reason) {
    if (signal?.aborted) throw reason;
    return noBytes;
  }
}
