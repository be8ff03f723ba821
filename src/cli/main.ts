import { run } from '@oclif/core';
import { adoptBuildGridEnvironment } from './buildgrid-environment.js';
import { CliFailure } from './cli-failure.js';
import { normaliseArgv } from './normalise-argv.js';

/**
 * Runs the command that `argv` names and sets the exit code. The one place that prints failures: a line on stderr, and
 * the stack only where `DEBUG` is set. `root` is the folder of package.json.
 */
export async function main(argv: readonly string[], root: string): Promise<void> {
  const normal = normaliseArgv(argv);
  adoptBuildGridEnvironment(process.env, normal);
  try {
    await run(normal, root);
  } catch (reason) {
    const failure = CliFailure.from(reason);
    if (failure.message) process.stderr.write(`Error: ${failure.message}\n`);
    if (process.env['DEBUG'] && failure.cause instanceof Error) process.stderr.write(`${failure.cause.stack ?? ''}\n`);
    process.exitCode = failure.exitCode;
  }
}
