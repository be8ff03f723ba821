import type { BlobStore } from '../blobstore/blob-store.js';
import { readMessage } from '../blobstore/read-message.js';
import { Digest } from '../digest/digest.js';
import { digestFunctionOf, type DigestFunction } from '../digest/digest-function.js';
import { reapi } from '../proto/index.js';
import { planOutputs } from './plan-outputs.js';

/** What an action has left behind and how it ended. */
export type ActionResult = reapi.ActionResult.$Properties;

/** An output as people and scripts want to see it. */
export type OutputSummary =
  | { readonly type: 'file'; readonly path: string; readonly digest: string; readonly executable: boolean }
  | { readonly type: 'directory'; readonly path: string; readonly digest: string }
  | { readonly type: 'symlink'; readonly path: string; readonly target: string };

/** Reads an ActionResult message that was stored as a blob. Throws BlobNotFoundError, and INVALID_ARGUMENT for another blob. */
export async function readActionResult(
  blobs: BlobStore,
  digest: Digest,
  signal?: AbortSignal,
): Promise<reapi.ActionResult> {
  return readMessage(blobs, { what: 'an ActionResult', digest, type: reapi.ActionResult }, signal);
}

/** The outputs of a result, by path. A directory's digest is that of its Tree, where it has one. */
export function summariseOutputs(result: ActionResult, fn: DigestFunction): readonly OutputSummary[] {
  const { files, folders, links } = planOutputs(result, fn);
  const outputs: OutputSummary[] = [
    ...files.map(({ path, digest, isExecutable }) => {
      return { type: 'file', path, digest: String(digest), executable: isExecutable } as const;
    }),
    ...folders.map(({ path, treeDigest, rootDigest }) => {
      return { type: 'directory', path, digest: String(treeDigest ?? rootDigest) } as const;
    }),
    ...links.map(({ path, target }) => ({ type: 'symlink', path, target }) as const),
  ];
  return outputs.sort((left, right) => (left.path < right.path ? -1 : 1));
}

/** What the command printed on one of its streams, piece by piece: from the result itself, or from the CAS. */
export async function* readPrinted(
  blobs: BlobStore,
  result: ActionResult,
  stream: 'stdout' | 'stderr',
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const raw = result[`${stream}Raw`];
  const digest = result[`${stream}Digest`];
  if (raw && raw.length > 0) yield raw;
  else if (digest) yield* blobs.read(Digest.fromProto(digest, digestFunctionOf(0, digest.hash)), {}, signal);
}
