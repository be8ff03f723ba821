import { Code } from './code.js';

/** A packed `google.protobuf.Any` that travels with a status, such as a `PreconditionFailure`. */
export interface StatusDetail {
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

/** What a {@link StatusError} may carry besides its code and message. */
export interface StatusErrorOptions extends ErrorOptions {
  readonly details?: readonly StatusDetail[];
}

/**
 * The one vocabulary of failures: a `google.rpc` code, a plain sentence (found against wanted, and the next step), and
 * the reason it came from. A subclass exists only where callers branch on it.
 */
export class StatusError extends Error {
  readonly code: Code;
  readonly details: readonly StatusDetail[];

  constructor(code: Code, message: string, options: StatusErrorOptions = {}) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
    this.details = options.details ?? [];
  }

  /**
   * Returns `reason` unchanged if it already has a code, else wraps it: an abort is CANCELLED, a timeout
   * DEADLINE_EXCEEDED, a full disk RESOURCE_EXHAUSTED, everything else INTERNAL.
   */
  static from(reason: unknown): StatusError {
    if (reason instanceof StatusError) return reason;
    const message = reason instanceof Error ? reason.message : String(reason);
    return new StatusError(codeOfReason(reason), message, { cause: reason });
  }

  /** Same code and details, more context: `wrap('Failed to stage input root')`. */
  wrap(context: string): StatusError {
    return new StatusError(this.code, `${context}: ${this.message}`, { cause: this, details: this.details });
  }
}

/** Returns the `errno` name of a Node system error, such as `ENOENT`. */
export function errnoOf(reason: unknown): string | undefined {
  const code = reason instanceof Error && 'code' in reason ? reason.code : undefined;
  return typeof code === 'string' ? code : undefined;
}

const fullDisk = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** The platform's own names for a stopped operation or a full disk; anything else is our bug. */
function codeOfReason(reason: unknown): Code {
  const name = reason instanceof Error ? reason.name : undefined;
  if (name === 'AbortError') return Code.Cancelled;
  if (name === 'TimeoutError') return Code.DeadlineExceeded;
  if (fullDisk.has(errnoOf(reason) ?? '')) return Code.ResourceExhausted;
  return Code.Internal;
}
