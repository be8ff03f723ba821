import { Code } from '../common/code.js';

/** What scripts may rely on; `bgd execute command` alone has others. */
export const ExitCode = {
  Ok: 0,
  /** Anything without a better name. */
  Other: 1,
  /** Wrong usage, or an argument that cannot be, or that does not fit what is there. */
  Usage: 2,
  /** What was asked for is not there; a miss of the action cache too. */
  NotFound: 3,
  /** The server cannot be reached, or did not answer in time. */
  Unreachable: 4,
  /** The server knows us not, or does not let us. */
  Refused: 5,
  Interrupted: 130,
  Terminated: 143,
} as const;

/** One of the numbers of {@link ExitCode}. */
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

const byCode = new Map<Code, ExitCode>([
  [Code.Ok, ExitCode.Ok],
  [Code.InvalidArgument, ExitCode.Usage],
  [Code.OutOfRange, ExitCode.Usage],
  [Code.FailedPrecondition, ExitCode.Usage],
  [Code.AlreadyExists, ExitCode.Usage],
  [Code.NotFound, ExitCode.NotFound],
  [Code.Unavailable, ExitCode.Unreachable],
  [Code.DeadlineExceeded, ExitCode.Unreachable],
  [Code.PermissionDenied, ExitCode.Refused],
  [Code.Unauthenticated, ExitCode.Refused],
]);

/** The exit code that stands for a status. */
export function exitCodeOf(code: Code): ExitCode {
  return byCode.get(code) ?? ExitCode.Other;
}
