import { Code } from '../../common/code.js';
import { StatusError } from '../../common/status-error.js';
import { resolveInside } from '../../merkle/resolve-inside.js';
import { reapi } from '../../proto/index.js';

/** An output that a Command asks for. */
export interface RequestedOutput {
  /** As the Command has it, and as the result must name it (CMD-10). */
  readonly path: string;
  /** Where that is, relative to the input root; empty for the root itself. */
  readonly location: string;
  /** What the old fields insist on (CMD-8). */
  readonly kind: 'any' | 'file' | 'directory';
}

/** A Command, checked. */
export interface CommandPlan {
  readonly argv: readonly [string, ...string[]];
  readonly env: Readonly<Record<string, string>>;
  /** Relative to the input root; empty for the root itself. */
  readonly workingDirectory: string;
  readonly outputs: readonly RequestedOutput[];
  /** Whether the Directories of output directories are wanted in the CAS beside their Trees (CMD-13). */
  readonly wantsDirectories: boolean;
}

/** Checks a Command and resolves its paths. Throws INVALID_ARGUMENT, also for a path that leaves the input root. */
export function planCommand(command: reapi.Command): CommandPlan {
  const [program, ...args] = command.arguments;
  if (program === undefined) throw new StatusError(Code.InvalidArgument, 'The Command has no arguments');
  if (command.arguments.some(hasNul))
    throw new StatusError(Code.InvalidArgument, 'An argument of the Command has a NUL');
  const workingDirectory = resolveInside('', command.workingDirectory, 'Working directory');
  const { DIRECTORY_ONLY, TREE_AND_DIRECTORY } = reapi.Command.OutputDirectoryFormat;
  return {
    argv: [program, ...args],
    env: environmentOf(command),
    workingDirectory,
    outputs: requestedOutputs(command).map(({ path, kind }) => ({
      path,
      kind,
      location: resolveInside(workingDirectory, path, 'Output'),
    })),
    wantsDirectories: [DIRECTORY_ONLY, TREE_AND_DIRECTORY].includes(command.outputDirectoryFormat),
  };
}

function environmentOf({ environmentVariables }: reapi.Command): Record<string, string> {
  const pairs = environmentVariables.map(({ name, value }) => [name ?? '', value ?? ''] as const);
  for (const [name, value] of pairs) {
    if (name !== '' && !name.includes('=') && !hasNul(name) && !hasNul(value)) continue;
    throw new StatusError(Code.InvalidArgument, `Environment variable ${JSON.stringify(name)} cannot be set`);
  }
  return Object.fromEntries(pairs);
}

/** CMD-3: `output_paths` takes the place of the two old fields. */
function requestedOutputs(command: reapi.Command): readonly Omit<RequestedOutput, 'location'>[] {
  const { outputPaths, outputFiles, outputDirectories } = command;
  const distinct = (paths: readonly string[], kind: RequestedOutput['kind']): Omit<RequestedOutput, 'location'>[] =>
    [...new Set(paths)].map((path) => ({ path, kind }));
  if (outputPaths.length > 0) return distinct(outputPaths, 'any');
  return [...distinct(outputFiles, 'file'), ...distinct(outputDirectories, 'directory')];
}

function hasNul(text: string): boolean {
  return text.includes('\0');
}
