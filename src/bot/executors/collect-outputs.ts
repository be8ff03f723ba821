import type { Stats } from 'node:fs';
import { lstat, readlink, stat } from 'node:fs/promises';
import { Code } from '../../common/code.js';
import { StatusError, errnoOf } from '../../common/status-error.js';
import type { BlobSource } from '../../blobstore/blob-source.js';
import { Digest } from '../../digest/digest.js';
import type { DigestFunction } from '../../digest/digest-function.js';
import { buildTree } from '../../merkle/build-tree.js';
import { digestFile } from '../../merkle/digest-file.js';
import { treeOf } from '../../merkle/tree.js';
import { reapi } from '../../proto/index.js';
import type { CommandPlan, RequestedOutput } from './command-plan.js';
import { locateInside } from './folder-inside.js';

/** What a command has made of the outputs that were asked for. */
export interface CollectedOutputs {
  /** The lists of outputs; the rest of an ActionResult is not set. */
  readonly result: reapi.ActionResult.$Properties;
  /** Everything that the lists name. */
  readonly sources: readonly BlobSource[];
  /** The first output that cannot be reported as it is; all the others are (CMD-8). */
  readonly fault?: StatusError;
}

/** What {@link collectOutputs} needs besides the plan. */
export interface CollectOptions {
  /** Where the input root was staged. */
  readonly inputRoot: string;
  readonly digestFunction: DigestFunction;
}

/**
 * Looks at the outputs that `plan` lists, and at nothing else, without following links (CMD-5, CMD-7). Absent ones are
 * left out. Rejects only where the worker is at fault.
 */
export async function collectOutputs(
  plan: CommandPlan,
  options: CollectOptions,
  signal?: AbortSignal,
): Promise<CollectedOutputs> {
  const collector = new OutputCollector(plan, options, signal);
  let fault: StatusError | undefined;
  for (const output of plan.outputs) {
    signal?.throwIfAborted();
    try {
      await collector.collect(output);
    } catch (reason) {
      fault ??= faultOf(output, reason);
    }
  }
  return { ...collector.collected, ...(fault && { fault }) };
}

/** What the action may be blamed for; anything else is thrown on. */
function faultOf({ path }: RequestedOutput, reason: unknown): StatusError {
  const error = StatusError.from(reason);
  if (error.code === Code.InvalidArgument || error.code === Code.FailedPrecondition) return error;
  const isUnreadable = error.code === Code.PermissionDenied || ['EACCES', 'EPERM'].includes(errnoOf(reason) ?? '');
  if (!isUnreadable) throw error;
  return new StatusError(Code.FailedPrecondition, `Output ${JSON.stringify(path)} cannot be read`, { cause: reason });
}

class OutputCollector {
  readonly #plan: CommandPlan;
  readonly #options: CollectOptions;
  readonly #signal: AbortSignal | undefined;
  readonly #sources: BlobSource[] = [];
  readonly #files: reapi.OutputFile.$Properties[] = [];
  readonly #directories: reapi.OutputDirectory.$Properties[] = [];
  readonly #symlinks: reapi.OutputSymlink.$Properties[] = [];
  readonly #fileSymlinks: reapi.OutputSymlink.$Properties[] = [];
  readonly #directorySymlinks: reapi.OutputSymlink.$Properties[] = [];

  constructor(plan: CommandPlan, options: CollectOptions, signal: AbortSignal | undefined) {
    this.#plan = plan;
    this.#options = options;
    this.#signal = signal;
  }

  get collected(): CollectedOutputs {
    const result = {
      outputFiles: this.#files,
      outputDirectories: this.#directories,
      outputSymlinks: this.#symlinks,
      outputFileSymlinks: this.#fileSymlinks,
      outputDirectorySymlinks: this.#directorySymlinks,
    };
    return { result, sources: this.#sources };
  }

  async collect(output: RequestedOutput): Promise<void> {
    const at = await locateInside(this.#options.inputRoot, output.location);
    const stats = at === undefined ? undefined : await statsOf(at);
    if (at === undefined || !stats) return;
    if (stats.isSymbolicLink()) return this.#collectSymlink(output, at);
    if (stats.isDirectory()) return this.#collectDirectory(output, at);
    if (stats.isFile()) return this.#collectFile(output, at);
    throw new StatusError(Code.InvalidArgument, `Output ${JSON.stringify(output.path)} is no file, directory or link`);
  }

  async #collectFile({ path, kind }: RequestedOutput, at: string): Promise<void> {
    if (kind === 'directory') throw wrongKind(path, 'a file', 'a directory');
    const { digest, isExecutable } = await digestFile(at, this.#options.digestFunction, this.#signal);
    this.#files.push({ path, digest: digest.toProto(), isExecutable });
    this.#sources.push({ digest, path: at });
  }

  async #collectDirectory({ path, kind }: RequestedOutput, at: string): Promise<void> {
    if (kind === 'file') throw wrongKind(path, 'a directory', 'a file');
    const { digestFunction } = this.#options;
    const { root, directories, sources } = await buildTree(at, { digestFunction }, this.#signal);
    const top = directories.get(root.key);
    if (!top) throw new RangeError('A tree has its root among its Directories');
    const data = reapi.Tree.encode(treeOf(top, directories)).finish();
    const tree = Digest.of(data, digestFunction);
    const { wantsDirectories } = this.#plan;
    this.#directories.push({
      path,
      treeDigest: tree.toProto(),
      isTopologicallySorted: true,
      ...(wantsDirectories && { rootDirectoryDigest: root.toProto() }),
    });
    this.#sources.push({ digest: tree, data });
    for (const source of sources) if (wantsDirectories || 'path' in source) this.#sources.push(source);
  }

  /** A link is told as it is; its target only decides which of the old lists it stands in (CMD-8, CMD-9). */
  async #collectSymlink({ path, kind }: RequestedOutput, at: string): Promise<void> {
    const symlink = { path, target: await readTarget(path, at) };
    const leadsTo = await targetKindOf(at);
    if (kind === 'any') this.#symlinks.push(symlink);
    else if (leadsTo !== undefined && leadsTo !== kind) throw wrongKind(path, `a link to a ${leadsTo}`, `a ${kind}`);
    const listedAs = kind === 'any' ? leadsTo : kind;
    if (listedAs === 'file') this.#fileSymlinks.push(symlink);
    if (listedAs === 'directory') this.#directorySymlinks.push(symlink);
  }
}

/** What a link leads to; `undefined` if that is nowhere. */
async function targetKindOf(path: string): Promise<'file' | 'directory' | undefined> {
  const target = await stat(path).catch(() => undefined);
  return target?.isDirectory() ? 'directory' : target && 'file';
}

async function statsOf(path: string): Promise<Stats | undefined> {
  try {
    return await lstat(path);
  } catch (reason) {
    if (['ENOENT', 'ENOTDIR', 'ENAMETOOLONG'].includes(errnoOf(reason) ?? '')) return undefined;
    throw reason;
  }
}

async function readTarget(path: string, at: string): Promise<string> {
  const target = await readlink(at);
  if (!target.includes('\uFFFD')) return target;
  throw new StatusError(Code.InvalidArgument, `Output ${JSON.stringify(path)} links to a name that is not UTF-8`);
}

function wrongKind(path: string, found: string, wanted: string): StatusError {
  return new StatusError(
    Code.FailedPrecondition,
    `Output ${JSON.stringify(path)} is ${found}, where ${wanted} is wanted`,
  );
}
