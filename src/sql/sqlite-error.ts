import { Code } from '../common/code.js';
import { StatusError, errnoOf } from '../common/status-error.js';

/** SQLite's own names for trouble that may pass (U5); any other is a fault of a statement. */
const transient = new Set(['SQLITE_BUSY', 'SQLITE_LOCKED', 'SQLITE_IOERR', 'SQLITE_CANTOPEN', 'SQLITE_READONLY']);

/** Says what a failure of SQLite means to a caller. What is no such failure comes back as it is. */
export function sqliteError(reason: unknown): unknown {
  const code = errnoOf(reason);
  if (reason instanceof StatusError || !code?.startsWith('SQLITE_')) return reason;
  if (code === 'SQLITE_FULL') return failure(Code.ResourceExhausted, 'The disk of the database is full', reason);
  if (transient.has(code)) return failure(Code.Unavailable, 'The database cannot be used at the moment', reason);
  return reason;
}

function failure(code: Code, message: string, reason: unknown): StatusError {
  return new StatusError(code, `${message} (${errnoOf(reason) ?? ''})`, { cause: reason });
}
