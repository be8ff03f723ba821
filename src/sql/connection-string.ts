import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';

/** Where a SQLite database lives: a file, or `:memory:` for one that ends with its connection. */
export interface SqliteLocation {
  readonly path: string;
}

/** SQLAlchemy's form, which BuildGrid's users have in their files: three slashes before a relative path, four before an absolute one. */
const sqliteUrl = /^sqlite(?:\+\w+)?:\/\/(?:\/(?<path>.*))?$/;

/** Reads `sqlite:///./relative.db`, `sqlite:////absolute.db` or `sqlite://`, which is in memory. Throws INVALID_ARGUMENT. */
export function parseConnectionString(text: string): SqliteLocation {
  const match = sqliteUrl.exec(text);
  const path = match?.groups?.['path'] ?? '';
  if (match) return { path: path === '' ? ':memory:' : path };
  throw new StatusError(
    Code.InvalidArgument,
    `Connection string ${JSON.stringify(schemeOf(text))} is not supported: sqlite:///PATH is wanted`,
  );
}

/** Only the scheme: what follows may hold a password. */
function schemeOf(text: string): string {
  return text.slice(0, Math.max(0, text.indexOf(':') + 1)) || 'without a scheme';
}
