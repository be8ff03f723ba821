import type { Blob } from '../blobstore/blob-store.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { Digest, type DigestMessage } from '../digest/digest.js';
import type { DigestFunction } from '../digest/digest-function.js';
import { reapi } from '../proto/index.js';

/** What an ActionResult refers to in the CAS. */
export interface ResultReferences {
  /** Files, stdout and stderr. */
  readonly blobs: readonly Digest[];
  /** Messages of type Tree, whose files count as outputs too. */
  readonly trees: readonly Digest[];
  /** Root Directories, below which everything counts. */
  readonly roots: readonly Digest[];
}

/** Collects what `result` refers to, and checks digests and paths on the way. Throws INVALID_ARGUMENT (AC-4). */
export function referencesOf(result: reapi.ActionResult.$Properties, fn: DigestFunction): ResultReferences {
  const required = (message: DigestMessage | null | undefined): Digest => Digest.fromProto(message, fn);
  const optional = (message: DigestMessage | null | undefined): Digest[] => (message ? [required(message)] : []);
  const files = result.outputFiles ?? [];
  const directories = result.outputDirectories ?? [];
  for (const { path } of files) checkFilePath(path ?? '');
  for (const { path } of directories) checkPath(path ?? '');
  return {
    blobs: [
      ...files.map(({ digest }) => required(digest)),
      ...optional(result.stdoutDigest),
      ...optional(result.stderrDigest),
    ],
    // One of the two must be there, whatever output format was asked for (CMD-13).
    trees: directories.flatMap(({ treeDigest, rootDirectoryDigest }) =>
      rootDirectoryDigest ? optional(treeDigest) : [required(treeDigest)],
    ),
    roots: directories.flatMap(({ rootDirectoryDigest }) => optional(rootDirectoryDigest)),
  };
}

function checkFilePath(path: string): void {
  if (path === '') throw new StatusError(Code.InvalidArgument, 'An output file has an empty path');
  checkPath(path);
}

/** The path of a directory may be empty: the working directory itself was asked for (CMD-3). */
function checkPath(path: string): void {
  if (!path.startsWith('/')) return;
  throw new StatusError(
    Code.InvalidArgument,
    `Output path ${JSON.stringify(path)} is absolute: a relative one is wanted`,
  );
}

/** A result that carries no bytes, and the blobs that it refers to instead. */
export interface DetachedResult {
  readonly result: reapi.ActionResult;
  readonly blobs: readonly Blob[];
}

/**
 * Takes the bytes that a result carries inline out of it, leaving their digests (AC-3). Throws INVALID_ARGUMENT if the
 * bytes are not those of a digest that is given beside them.
 */
export function detachInlineBytes(given: reapi.ActionResult.$Properties, fn: DigestFunction): DetachedResult {
  const blobs: Blob[] = [];
  const detach = (
    bytes: Uint8Array | null | undefined,
    digest: DigestMessage | null | undefined,
    what: string,
  ): DigestMessage | undefined => {
    if (!bytes || bytes.length === 0) return digest ?? undefined;
    const found = Digest.of(bytes, fn);
    if (digest && !Digest.fromProto(digest, fn).equals(found)) {
      throw new StatusError(
        Code.InvalidArgument,
        `The inline bytes of ${what} are those of ${String(found)}, not of its digest`,
      );
    }
    blobs.push({ digest: found, data: bytes });
    return found.toProto();
  };
  const stdoutDigest = detach(given.stdoutRaw, given.stdoutDigest, 'stdout');
  const stderrDigest = detach(given.stderrRaw, given.stderrDigest, 'stderr');
  const outputFiles = (given.outputFiles ?? []).map((file) => {
    const digest = detach(file.contents, file.digest, `output file ${JSON.stringify(file.path)}`);
    return { ...file, contents: null, ...(digest && { digest }) };
  });
  const result = reapi.ActionResult.create({
    ...given,
    outputFiles,
    stdoutRaw: null,
    stderrRaw: null,
    ...(stdoutDigest && { stdoutDigest }),
    ...(stderrDigest && { stderrDigest }),
  });
  return { result, blobs };
}

/** Written into results that do not name their worker. */
const unknownWorker = 'unknown';

/** Returns `result` with a worker named in it, for a stored result must not encode to no bytes at all (AC-7). */
export function withWorker(result: reapi.ActionResult.$Properties): reapi.ActionResult {
  const worker = result.executionMetadata?.worker ?? '';
  const executionMetadata = { ...result.executionMetadata, worker: worker === '' ? unknownWorker : worker };
  return reapi.ActionResult.create({ ...result, executionMetadata });
}
