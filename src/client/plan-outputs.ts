import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { Digest } from '../digest/digest.js';
import type { DigestFunction } from '../digest/digest-function.js';
import { isPathSegment } from '../merkle/directory.js';
import type { reapi } from '../proto/index.js';

/** A file that an action has made. */
export interface OutputFile {
  readonly path: string;
  readonly digest: Digest;
  readonly isExecutable: boolean;
  /** The bytes, where they came with the result and are those of the digest. */
  readonly contents: Uint8Array | undefined;
}

/** A folder that an action has made: described by a Tree, or by its root Directory alone. */
export interface OutputFolder {
  /** Empty for the whole working directory. */
  readonly path: string;
  readonly treeDigest: Digest | undefined;
  readonly rootDigest: Digest | undefined;
}

/** A link that an action has made. */
export interface OutputLink {
  readonly path: string;
  readonly target: string;
}

/** Everything that an ActionResult says the action has made. */
export interface OutputPlan {
  readonly files: readonly OutputFile[];
  readonly folders: readonly OutputFolder[];
  readonly links: readonly OutputLink[];
}

/**
 * Reads the outputs of a result: links from the new list, or from the two old ones where it is empty (CL-6). Throws
 * INVALID_ARGUMENT for a path that could leave the folder it is to be put into.
 */
export function planOutputs(result: reapi.ActionResult.$Properties, fn: DigestFunction): OutputPlan {
  const { outputSymlinks, outputFileSymlinks, outputDirectorySymlinks } = result;
  const oldLinks = [...(outputFileSymlinks ?? []), ...(outputDirectorySymlinks ?? [])];
  const links = outputSymlinks && outputSymlinks.length > 0 ? outputSymlinks : oldLinks;
  return {
    files: (result.outputFiles ?? []).map((file) => planFile(file, fn)),
    folders: (result.outputDirectories ?? []).map((folder) => planFolder(folder, fn)),
    links: links.map(planLink),
  };
}

function planFile(file: reapi.OutputFile.$Properties, fn: DigestFunction): OutputFile {
  const digest = Digest.fromProto(file.digest, fn);
  const isGenuine = file.contents?.length === digest.sizeBytes && Digest.of(file.contents, fn).equals(digest);
  return {
    path: checkPath(file.path),
    digest,
    isExecutable: file.isExecutable ?? false,
    contents: isGenuine ? (file.contents ?? undefined) : undefined,
  };
}

function planFolder(folder: reapi.OutputDirectory.$Properties, fn: DigestFunction): OutputFolder {
  const { path, treeDigest, rootDirectoryDigest } = folder;
  if (!treeDigest && !rootDirectoryDigest) {
    throw new StatusError(
      Code.InvalidArgument,
      `Output directory ${JSON.stringify(path)} has neither a Tree nor a root`,
    );
  }
  return {
    path: path === '' ? '' : checkPath(path),
    treeDigest: treeDigest ? Digest.fromProto(treeDigest, fn) : undefined,
    rootDigest: rootDirectoryDigest ? Digest.fromProto(rootDirectoryDigest, fn) : undefined,
  };
}

function planLink({ path, target }: reapi.OutputSymlink.$Properties): OutputLink {
  if (target) return { path: checkPath(path), target };
  throw new StatusError(Code.InvalidArgument, `Output link ${JSON.stringify(path)} has an empty target`);
}

function checkPath(path: string | null | undefined): string {
  if (path?.split('/').every(isPathSegment)) return path;
  throw new StatusError(
    Code.InvalidArgument,
    `The result names the output ${JSON.stringify(path ?? '')}, which is no plain path below the target folder`,
  );
}
