import { stripVTControlCharacters } from 'node:util';
import { codeName } from '../common/code.js';
import { errnoOf, StatusError } from '../common/status-error.js';
import { ExitCode, exitCodeOf } from './exit-code.js';

/** What {@link CliFailure} is made of. */
export interface CliFailureOptions extends ErrorOptions {
  /** How `--json` names the kind of failure: a `google.rpc` code, or USAGE. */
  readonly code: string;
  readonly exitCode: number;
}

/** A failure as the user meets it: one sentence that says what to do next, and an exit code. */
export class CliFailure extends Error {
  readonly code: string;
  readonly exitCode: number;

  constructor(message: string, { code, exitCode, ...options }: CliFailureOptions) {
    super(message, options);
    this.name = 'CliFailure';
    this.code = code;
    this.exitCode = exitCode;
  }

  /** Gives any reason its exit code: statuses by their code, faults of usage and of local files 2, our own bugs 1. */
  static from(reason: unknown): CliFailure {
    if (reason instanceof CliFailure) return reason;
    return fromUsage(reason) ?? fromFile(reason) ?? fromStatus(reason);
  }

  /** Where oclif looks for an exit code. */
  get oclif(): { readonly exit: number } {
    return { exit: this.exitCode };
  }

  /** What `--json` prints. */
  toJSON(): { readonly error: { readonly code: string; readonly message: string; readonly exitCode: number } } {
    return { error: { code: this.code, message: this.message, exitCode: this.exitCode } };
  }
}

/** Errors of oclif, which come on several lines and with colours. `this.exit(n)` is one too, but has nothing to say. */
function fromUsage(reason: unknown): CliFailure | undefined {
  if (!(reason instanceof Error) || !('oclif' in reason)) return undefined;
  const { exit } = reason.oclif as { readonly exit?: number };
  const isSilent = 'code' in reason && reason.code === 'EEXIT';
  const lines = stripVTControlCharacters(reason.message).split(/\s*\n\s*/);
  const message = lines.filter(Boolean).reduce((text, line) => `${text}${text.endsWith(':') ? ' ' : '. '}${line}`);
  return new CliFailure(isSilent ? '' : withoutColons(message), {
    code: 'USAGE',
    exitCode: exit ?? ExitCode.Usage,
    cause: reason,
  });
}

/** oclif names an unknown command as it stores them, such as `cas:upload`. */
function withoutColons(message: string): string {
  const id = /^command (\S+) not found$/.exec(message)?.[1];
  if (id === undefined) return message;
  return `Unknown command: bgd ${id.replaceAll(':', ' ')}. See bgd --help`;
}

/** What is wrong with a path that the user named. */
const faultsOfPaths = new Set([
  'ENOENT',
  'ENOTDIR',
  'EISDIR',
  'EACCES',
  'EPERM',
  'EEXIST',
  'ENOTEMPTY',
  'ELOOP',
  'EROFS',
]);

/** Node says `ENOENT: no such file or directory, open 'x'`; people say `x: no such file or directory`. */
function fromFile(reason: unknown): CliFailure | undefined {
  if (!(reason instanceof Error) || !faultsOfPaths.has(errnoOf(reason) ?? '')) return undefined;
  const parts = /^[A-Z]+: (?<fault>[^,]+), \w+ '(?<path>[^']+)'/.exec(reason.message)?.groups;
  const message = parts ? `${parts['path'] ?? ''}: ${parts['fault'] ?? ''}` : reason.message;
  return new CliFailure(message, { code: 'INVALID_ARGUMENT', exitCode: ExitCode.Usage, cause: reason });
}

function fromStatus(reason: unknown): CliFailure {
  const { code, message } = StatusError.from(reason);
  const hint = reason instanceof StatusError ? '' : ' (set DEBUG=1 to see where)';
  return new CliFailure(message + hint, { code: codeName(code), exitCode: exitCodeOf(code), cause: reason });
}
