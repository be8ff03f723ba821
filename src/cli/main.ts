import { run, settings, type Interfaces } from '@oclif/core';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { adoptBuildGridEnvironment } from './buildgrid-environment.js';
import { CliFailure } from './cli-failure.js';
import { groups, normaliseArgv } from './normalise-argv.js';

/**
 * Runs the command that `argv` names and sets the exit code. The one place that prints failures: a line on stderr, and
 * the stack only where `DEBUG` is set. `root` is the folder of package.json.
 */
export async function main(argv: readonly string[], root: string): Promise<void> {
  const normal = normaliseArgv(argv);
  adoptBuildGridEnvironment(process.env, normal);
  // Whatever NODE_ENV says, a built bgd does not look for its sources.
  settings.enableAutoTranspile ??= false;
  try {
    assertNamesCommand(normal);
    await run(normal, { root, pjson: await manifestFor(normal[0], root) });
  } catch (reason) {
    report(CliFailure.from(reason));
  }
}

/** The package's own description. Commands of ours do not wait for the plugins to be found. */
async function manifestFor(group: string | undefined, root: string): Promise<Interfaces.PJSON> {
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as Interfaces.PJSON;
  if (group === undefined || !groups.has(group)) return manifest;
  return { ...manifest, oclif: { ...manifest.oclif, plugins: [] } };
}

/** oclif shows the help of a group whose sub-command is missing, and calls it a success, whatever else is said. */
function assertNamesCommand([group = '', next]: readonly string[]): void {
  if (group === 'capabilities' || !groups.has(group) || next?.startsWith('-') !== true || isHelp(next)) return;
  throw CliFailure.ofUsage(`bgd ${group} wants a sub-command before ${next}; bgd ${group} --help lists them`);
}

const isHelp = (word: string): boolean => word === '--help' || word === '-h';

function report({ message, exitCode, cause }: CliFailure): void {
  if (message) process.stderr.write(`Error: ${message}\n`);
  if (process.env['DEBUG'] && cause instanceof Error) process.stderr.write(`${cause.stack ?? ''}\n`);
  process.exitCode = exitCode;
}
