import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { reapi } from '../proto/index.js';

/** Throws INVALID_ARGUMENT for a Command that no worker could execute: without arguments, or with paths that lead out. */
export function checkCommand(command: reapi.Command): void {
  const { workingDirectory, outputPaths, outputFiles, outputDirectories, outputNodeProperties } = command;
  if (command.arguments.length === 0) throw invalid('The Command has no arguments');
  const depth = depthOf('Working directory', workingDirectory, 0);
  // CMD-3: the old fields count only where the new one is empty.
  const outputs = outputPaths.length > 0 ? outputPaths : [...outputFiles, ...outputDirectories];
  for (const path of outputs) {
    if (path.endsWith('/')) throw invalid(`Output ${JSON.stringify(path)} ends with a slash`);
    depthOf('Output', path, depth);
  }
  const [property] = outputNodeProperties;
  if (property !== undefined) {
    throw invalid(`Output node property ${JSON.stringify(property)} is not supported here; none is`);
  }
}

/** How far below the input root `path` leads, from a folder at `depth`. Throws if it is absolute or leads out. */
function depthOf(what: string, path: string, depth: number): number {
  if (path.startsWith('/')) throw invalid(`${what} ${JSON.stringify(path)} is absolute: a relative path is wanted`);
  if (path.includes('\0')) throw invalid(`${what} ${JSON.stringify(path)} has a NUL`);
  let current = depth;
  for (const segment of path.split('/')) {
    if (segment === '' || segment === '.') continue;
    current += segment === '..' ? -1 : 1;
    if (current < 0) throw invalid(`${what} ${JSON.stringify(path)} leaves the input root`);
  }
  return current;
}

function invalid(message: string): StatusError {
  return new StatusError(Code.InvalidArgument, message);
}
