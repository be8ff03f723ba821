import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';

/** Says who calls. */
export interface Authorization {
  /** The value of the `authorization` header of the next call. */
  header(): string | Promise<string>;

  /** To be told when a server did not accept the last header: the next one is to be looked up anew. */
  distrust(): void;
}

/** What RFC 6750 allows in a bearer token. */
const tokenForm = /^[\w.~+/-]+=*$/;

/** The header for a bearer token, without the white space around it. Throws INVALID_ARGUMENT for what can be none. */
export function bearerHeader(token: string): string {
  const trimmed = token.trim();
  if (tokenForm.test(trimmed)) return `Bearer ${trimmed}`;
  // The token itself stays out of the message: it is a secret (S6).
  throw new StatusError(
    Code.InvalidArgument,
    `The authentication token ${trimmed === '' ? 'is empty' : 'has spaces or other characters that no token has'}`,
  );
}

/** Sends the same bearer token for ever. Throws INVALID_ARGUMENT for what can be none. */
export function fixedAuthorization(token: string): Authorization {
  const header = bearerHeader(token);
  return { header: () => header, distrust: () => undefined };
}
