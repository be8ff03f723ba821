import { stripVTControlCharacters } from 'node:util';
import { Code, codeName } from '../common/code.js';
import { errnoOf, StatusError, type StatusDetail } from '../common/status-error.js';
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

  /** What the user got wrong about the command line. */
  static ofUsage(reason: unknown): CliFailure {
    const message = reason instanceof Error ? reason.message : String(reason);
    return new CliFailure(inOneLine(message), { code: 'USAGE', exitCode: ExitCode.Usage, cause: reason });
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

/** Errors of oclif itself, such as an unknown command. `this.exit(n)` is one too, but has nothing to say. */
function fromUsage(reason: unknown): CliFailure | undefined {
  if (!(reason instanceof Error) || !('oclif' in reason)) return undefined;
  const { exit: exitCode = ExitCode.Usage } = reason.oclif as { readonly exit?: number };
  const isSilent = 'code' in reason && reason.code === 'EEXIT';
  return new CliFailure(isSilent ? '' : inOneLine(reason.message), { code: 'USAGE', exitCode, cause: reason });
}

/** oclif writes on several lines, in colours. */
function inOneLine(text: string): string {
  const lines = stripVTControlCharacters(text)
    .split(/\s*\n\s*/)
    .filter(Boolean);
  const line = lines.reduce((sum, next) => `${sum}${/[.:]$/.test(sum) ? ' ' : '. '}${next}`);
  return line.replace(/^Parsing (--\S+)\. /, '$1: ');
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
  if (!(reason instanceof Error) || !faultsOfPaths.has(errnoOf(reason) ?? errnoOf(reason.cause) ?? ''))
    return undefined;
  const parts = /^[A-Z]+: (?<fault>[^,]+), \w+ '(?<path>[^']+)'/.exec(reason.message)?.groups;
  const message = parts ? `${parts['path'] ?? ''}: ${parts['fault'] ?? ''}` : reason.message;
  return new CliFailure(message, { code: 'INVALID_ARGUMENT', exitCode: ExitCode.Usage, cause: reason });
}

function fromStatus(reason: unknown): CliFailure {
  const error = StatusError.from(reason);
  const hint = reason instanceof StatusError ? '' : ' (set DEBUG=1 to see where)';
  const exitCode = namesMissingBlobs(error) ? ExitCode.NotFound : exitCodeOf(error.code);
  return new CliFailure(error.message + hint, { code: codeName(error.code), exitCode, cause: reason });
}

/** The one use that REAPI has for these details; to decode them, all messages would have to be loaded. */
function namesMissingBlobs({ code, details }: StatusError): boolean {
  const isFailure = ({ typeUrl }: StatusDetail): boolean => typeUrl.endsWith('/google.rpc.PreconditionFailure');
  return code === Code.FailedPrecondition && details.some(isFailure);
}
