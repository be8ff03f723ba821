import { Code, codeName } from '../common/code.js';
import type { StatusError } from '../common/status-error.js';
import { CliFailure } from './cli-failure.js';

/** What `bgd execute command` exits with when it is not the command's own exit code. */
export const ExecutionExitCode = {
  /** The action ran longer than it may. */
  TimedOut: 124,
  /** `bgd` or the server failed. */
  Failed: 125,
  /** The command is there, but is no program. */
  NotExecutable: 126,
  /** There is no such command on the worker. */
  NotFound: 127,
} as const;

/** Why a command did not run to its end. The codes are those of timeout(1), env(1) and shells. */
export function executionFailure(failure: StatusError): CliFailure {
  const exitCode = exitCodeOf(failure);
  return new CliFailure(failure.message, { code: codeName(failure.code), exitCode, cause: failure });
}

/** Bots that are `bgd`'s begin the message with these words; for others it stays a failure. */
function exitCodeOf({ code, message }: StatusError): number {
  if (code === Code.DeadlineExceeded) return ExecutionExitCode.TimedOut;
  if (code === Code.InvalidArgument && message.includes('Command not executable'))
    return ExecutionExitCode.NotExecutable;
  if (code === Code.InvalidArgument && message.includes('Command not found')) return ExecutionExitCode.NotFound;
  return ExecutionExitCode.Failed;
}
