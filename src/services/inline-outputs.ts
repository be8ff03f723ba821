import type { BlobStore } from '../blobstore/blob-store.js';
import { readBlob } from '../blobstore/read-blob.js';
import type { DigestFunction } from '../digest/digest-function.js';
import { Digest, type DigestMessage } from '../digest/digest.js';
import { reapi } from '../proto/index.js';
import { maxSentMessageBytes } from './limits.js';

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
  if (!wantsBytes(hints) && !hasInlineBytes(result)) return result;
  const inlined = withoutInlineBytes(result);
  if (!wantsBytes(hints)) return inlined;
  let room = maxSentMessageBytes - reapi.ActionResult.encode(inlined).finish().length;
  const fetch = async (message: DigestMessage | null | undefined): Promise<Uint8Array | null> => {
    const digest = message ? Digest.fromProto(message, fn) : undefined;
    if (!digest || digest.isEmpty || digest.sizeBytes > room) return null;
    const bytes = await readIfThere(blobs, digest, signal);
    room -= bytes?.length ?? 0;
    return bytes;
  };
  if (hints.inlineStdout) inlined.stdoutRaw ??= await fetch(inlined.stdoutDigest);
  if (hints.inlineStderr) inlined.stderrRaw ??= await fetch(inlined.stderrDigest);
  for (const file of wantedFiles(inlined, hints)) file.contents ??= await fetch(file.digest);
  return inlined;
}

function wantsBytes({ inlineStdout, inlineStderr, inlineOutputFiles }: InlineHints): boolean {
  return inlineStdout === true || inlineStderr === true || (inlineOutputFiles ?? []).length > 0;
}

function hasInlineBytes({ stdoutRaw, stderrRaw, outputFiles }: reapi.ActionResult.$Properties): boolean {
  const isInline = (bytes: Uint8Array | null | undefined): boolean => (bytes?.length ?? 0) > 0;
  return isInline(stdoutRaw) || isInline(stderrRaw) || (outputFiles ?? []).some(({ contents }) => isInline(contents));
}

/** A copy without the bytes that a digest stands for. */
function withoutInlineBytes(result: reapi.ActionResult.$Properties): reapi.ActionResult.$Properties {
  return {
    ...result,
    stdoutRaw: result.stdoutDigest ? null : nonEmpty(result.stdoutRaw),
    stderrRaw: result.stderrDigest ? null : nonEmpty(result.stderrRaw),
    outputFiles: (result.outputFiles ?? []).map((file) => ({
      ...file,
      contents: file.digest ? null : nonEmpty(file.contents),
    })),
  };
}

/** Exactly those paths; others than the result has are ignored. */
function wantedFiles({ outputFiles }: reapi.ActionResult.$Properties, { inlineOutputFiles }: InlineHints) {
  const wanted = new Set(inlineOutputFiles ?? []);
  return (outputFiles ?? []).filter(({ path }) => wanted.has(path ?? ''));
}

function nonEmpty(bytes: Uint8Array | null | undefined): Uint8Array | null {
  return bytes && bytes.length > 0 ? bytes : null;
}

async function readIfThere(
  blobs: BlobStore,
  digest: Digest,
  signal: AbortSignal | undefined,
): Promise<Uint8Array | null> {
  try {
    return await readBlob(blobs, digest, signal);
  } catch (reason) {
    if (signal?.aborted) throw reason;
    return null;
  }
}
