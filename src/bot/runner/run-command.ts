import { addAbortListener } from 'node:events';
import { open, type FileHandle } from 'node:fs/promises';
import { constants } from 'node:os';
import type { Readable } from 'node:stream';
import { execa } from 'execa';
import { Code } from '../../common/code.js';
import { StatusError } from '../../common/status-error.js';
import { ProcessGroup } from './process-group.js';
import { resolveProgram } from './resolve-program.js';
import { spoolOutput } from './spool-output.js';

/** A command as it is to be run. */
export interface RunCommandOptions {
  /** Verbatim (CMD-1): no shell, no trimming. */
  readonly argv: readonly [string, ...string[]];
  /** An absolute path. */
  readonly cwd: string;
  /** Exactly what the command sees. */
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  /** A new file each. */
  readonly stdoutFile: string;
  readonly stderrFile: string;
  /** What is kept of each of the two. */
  readonly maxOutputBytes: number;
  /** Is told the process id, which is also the id of the process group, before anything else happens. */
  readonly onStart?: (pid: number) => void;
}

/** How a command ended. `stoppedBy` is set when it was us: its outputs are still worth collecting. */
export interface CommandOutcome {
  /** As the command gave it, or 128 + N when signal N ended it (CMD-15). */
  readonly exitCode: number;
  readonly stoppedBy?: 'timeout' | 'cancel';
}

/** How long output is still waited for after the command and its group have ended: somebody else may hold the pipe. */
const drainMs = 2_000;

/** Timers take no more. */
const maxTimerMs = 2 ** 31 - 1;

/**
 * Runs a command in a process group of its own. However it ends, that is an outcome. Thrown is only what kept it from
 * starting: INVALID_ARGUMENT where that is the action's own fault. When it has ended, so has its group.
 */
export async function runCommand(options: RunCommandOptions, signal: AbortSignal): Promise<CommandOutcome> {
  signal.throwIfAborted();
  const program = await resolveProgram(options.argv[0], options.cwd, options.env['PATH']);
  await using stdout = await open(options.stdoutFile, 'w', 0o600);
  await using stderr = await open(options.stderrFile, 'w', 0o600);
  signal.throwIfAborted();
  const subprocess = start(program, options);
  if (subprocess.pid === undefined) throw startError(options.argv[0], await subprocess);
  options.onStart?.(subprocess.pid);

  using group = new ProcessGroup(subprocess.pid);
  using stop = stopper(group, options.timeoutMs, signal);
  subprocess.once('exit', () => {
    stop[Symbol.dispose]();
    group.kill();
  });
  await spoolBoth(subprocess, group, { stdout, stderr, maxBytes: options.maxOutputBytes });
  const { exitCode, signal: diedOf } = await subprocess;
  const { stoppedBy } = stop;
  return {
    exitCode: exitCode ?? 128 + (diedOf === undefined ? 0 : constants.signals[diedOf]),
    ...(stoppedBy && { stoppedBy }),
  };
}

type Subprocess = ReturnType<typeof start>;

function start(program: string, { argv: [name, ...args], cwd, env }: RunCommandOptions) {
  return execa(program, args, {
    argv0: name,
    cwd,
    // Node hands its own NODE_V8_COVERAGE down unless it is named here.
    env: { NODE_V8_COVERAGE: undefined, ...env },
    extendEnv: false,
    detached: true,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    buffer: false,
    reject: false,
  });
}

/** Stops the group at the deadline or on cancel, whichever comes first, until it is disposed of. */
function stopper(
  group: ProcessGroup,
  timeoutMs: number,
  signal: AbortSignal,
): Disposable & { readonly stoppedBy: CommandOutcome['stoppedBy'] } {
  let stoppedBy: CommandOutcome['stoppedBy'];
  const stopBy = (cause: 'timeout' | 'cancel') => (): void => {
    stoppedBy ??= cause;
    group.terminate();
  };
  const timer = setTimeout(stopBy('timeout'), Math.min(timeoutMs, maxTimerMs));
  const listener = addAbortListener(signal, stopBy('cancel'));
  return {
    get stoppedBy() {
      return stoppedBy;
    },
    [Symbol.dispose]: () => {
      clearTimeout(timer);
      listener[Symbol.dispose]();
    },
  };
}

/** Where outputs go. */
interface Spools {
  readonly stdout: FileHandle;
  readonly stderr: FileHandle;
  readonly maxBytes: number;
}

/** Spools both outputs to their ends, or until shortly after the exit. A full disk ends the command. */
async function spoolBoth(subprocess: Subprocess, group: ProcessGroup, spools: Spools): Promise<void> {
  const { stdout, stderr } = subprocess;
  const spooled = [
    spoolOutput(stdout, spools.stdout, spools.maxBytes),
    spoolOutput(stderr, spools.stderr, spools.maxBytes),
  ];
  let drainTimer: NodeJS.Timeout | undefined;
  subprocess.once('exit', () => {
    drainTimer = setTimeout(() => destroyAll(stdout, stderr), drainMs);
  });
  try {
    await Promise.all(spooled);
  } catch (reason) {
    group.kill();
    destroyAll(stdout, stderr);
    throw reason;
  } finally {
    await Promise.allSettled([...spooled, subprocess]);
    clearTimeout(drainTimer);
  }
}

function destroyAll(...streams: readonly Readable[]): void {
  for (const stream of streams) stream.destroy();
}

/** What keeps a command from starting by the action's own fault. */
const actionsFaults: Readonly<Record<string, string>> = {
  ENOENT: 'Command not found: the interpreter that the script names',
  EACCES: 'Command not executable: the system refuses it',
  ENOEXEC: 'Command not executable: it has a format that the system does not know',
  E2BIG: 'Command has more arguments and environment variables than the system takes',
};

/** REAPI: a program that is missing or not executable is the action's own fault; all else is the worker's. */
function startError(name: string, { code, originalMessage }: Awaited<Subprocess>): StatusError {
  const fault = actionsFaults[code ?? ''];
  if (fault !== undefined) return new StatusError(Code.InvalidArgument, `${fault} (${name})`);
  return new StatusError(Code.Unavailable, `Command did not start: ${originalMessage ?? name}`);
}
