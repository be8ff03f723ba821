import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { resolveInside } from '../merkle/resolve-inside.js';
import type { reapi } from '../proto/index.js';

/** Throws INVALID_ARGUMENT for a Command that no worker could execute: without arguments, or with paths that lead out. */
export function checkCommand(command: reapi.Command): void {
  const { workingDirectory, outputPaths, outputFiles, outputDirectories, outputNodeProperties } = command;
  if (command.arguments.length === 0) throw invalid('The Command has no arguments');
  const base = resolveInside('', workingDirectory, 'Working directory');
  // CMD-3: the old fields count only where the new one is empty.
  const outputs = outputPaths.length > 0 ? outputPaths : [...outputFiles, ...outputDirectories];
  for (const path of outputs) {
    if (path.endsWith('/')) throw invalid(`Output ${JSON.stringify(path)} ends with a slash`);
    resolveInside(base, path, 'Output');
  }
  const [property] = outputNodeProperties;
  if (property !== undefined) {
    throw invalid(`Output node property ${JSON.stringify(property)} is not supported here; none is`);
  }
}

function invalid(message: string): StatusError {
  return new StatusError(Code.InvalidArgument, message);
}
