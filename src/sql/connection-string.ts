import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { type PostgresLocation, isPostgresUrl, parsePostgresUrl } from './postgres-location.js';

/** Where a SQLite database lives: a file, or `:memory:` for one that ends with its connection. */
export interface SqliteLocation {
  readonly path: string;
}

/** Where a database is, and of which kind. */
export type DatabaseLocation =
  ({ readonly type: 'sqlite' } & SqliteLocation) | ({ readonly type: 'postgresql' } & PostgresLocation);

/** SQLAlchemy's form, which BuildGrid's users have in their files: three slashes before a relative path, four before an absolute one. */
const sqliteUrl = /^sqlite(?:\+\w+)?:\/\/(?:\/(?<path>.*))?$/;

/**
 * Reads `sqlite:///./relative.db`, `sqlite:////absolute.db`, `sqlite://`, which is in memory, or
 * `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`. Throws INVALID_ARGUMENT, without any secret (S6).
 */
export function parseConnectionString(text: string): DatabaseLocation {
  if (isPostgresUrl(text)) return { type: 'postgresql', ...parsePostgresUrl(text) };
  const match = sqliteUrl.exec(text);
  const path = match?.groups?.['path'] ?? '';
  if (match) return { type: 'sqlite', path: path === '' ? ':memory:' : path };
  throw new StatusError(
    Code.InvalidArgument,
    `Connection string ${JSON.stringify(schemeOf(text))} is not supported: sqlite:///PATH or postgresql://HOST/DATABASE is wanted`,
  );
}

/** Only the scheme: what follows may hold a password. */
function schemeOf(text: string): string {
  return text.slice(0, Math.max(0, text.indexOf(':') + 1)) || 'without a scheme';
}
