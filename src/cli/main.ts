import { run, settings, type Interfaces } from '@oclif/core';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { adoptBuildGridEnvironment } from './buildgrid-environment.js';
import { errnoOf } from '../common/status-error.js';
import { CliFailure } from './cli-failure.js';
import { ExitCode } from './exit-code.js';
import { groups, normaliseArgv } from './normalise-argv.js';
import { unknownCommand } from './unknown-command.js';

/**
 * Runs the command that `argv` names and sets the exit code. The one place that prints failures: a line on stderr, and
 * the stack only where `DEBUG` is set. `root` is the folder of package.json.
 */
export async function main(argv: readonly string[], root: string): Promise<void> {
  const normal = normaliseArgv(argv);
  adoptBuildGridEnvironment(process.env, normal);
  // Whatever NODE_ENV says, a built bgd does not look for its sources.
  settings.enableAutoTranspile ??= false;
  // oclif's own listener would throw.
  process.stdout.prependListener('error', failToPrint);
  try {
    assertNamesCommand(normal);
    await run(normal, { root, pjson: await manifestFor(normal[0], root) });
  } catch (reason) {
    report(CliFailure.from(await withCommandsName(reason, root)));
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

/** oclif names an unknown command as it would store it, such as `cas:uplod`, and does not say where it went wrong. */
async function withCommandsName(reason: unknown, root: string): Promise<unknown> {
  const id = reason instanceof Error && /^command (.+) not found\.?$/is.exec(reason.message)?.[1];
  if (!id) return reason;
  // Without a build there is none.
  const text = await readFile(join(root, 'oclif.manifest.json'), 'utf8').catch(() => '{"commands":{}}');
  const { commands } = JSON.parse(text) as { readonly commands: object };
  return CliFailure.ofUsage(unknownCommand(id.split(/[: ]/), Object.keys(commands)));
}

/** A reader that has had enough is no failure; a full disk is. */
function failToPrint(reason: Error): void {
  if (errnoOf(reason) === 'EPIPE') return;
  report(
    new CliFailure(`Cannot write to stdout: ${reason.message}`, {
      code: 'UNKNOWN',
      exitCode: ExitCode.Other,
      cause: reason,
    }),
  );
  process.exit();
}

const isHelp = (word: string): boolean => word === '--help' || word === '-h';

function report({ message, exitCode, cause }: CliFailure): void {
  if (message) process.stderr.write(`Error: ${message}\n`);
  if (process.env['DEBUG'] && cause instanceof Error) process.stderr.write(`${cause.stack ?? ''}\n`);
  process.exitCode = exitCode;
}
