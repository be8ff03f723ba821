import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';

/** Where a server listens, and whether it is spoken to through TLS. */
export interface Endpoint {
  /** As it was given; error messages name it. */
  readonly url: string;
  /** What grpc-js resolves: `HOST:PORT` or `unix:PATH`. */
  readonly target: string;
  readonly isSecure: boolean;
  /** Whether what is said stays on this machine. */
  readonly isLocal: boolean;
}

const isSecureByScheme: ReadonlyMap<string, boolean> = new Map([
  ['grpc', false],
  ['http', false],
  ['grpcs', true],
  ['https', true],
]);

const isLoopback = /^(?:localhost|127(?:\.\d{1,3}){3}|\[(?:0*:)*0*1\])$/i;

/** The port of a URL that names none. */
export const defaultPort = 50051;

/** Reads `grpc://HOST[:PORT]`, `grpcs://…`, `http://…`, `https://…` or `unix:PATH`. Throws INVALID_ARGUMENT. */
export function parseEndpoint(url: string): Endpoint {
  if (url.startsWith('unix:')) return { url, target: unixTarget(url), isSecure: false, isLocal: true };
  const parts =
    /^(?<scheme>[a-z][a-z0-9+.-]*):\/\/(?<host>\[[0-9a-f:.%]+\]|[^/:?#@[\]\s]+)(?::(?<port>[^/?#]*))?(?:[/?#].*)?$/i.exec(
      url,
    )?.groups;
  const isSecure = isSecureByScheme.get(parts?.['scheme']?.toLowerCase() ?? '');
  if (!parts || isSecure === undefined) {
    throw malformed(url, 'grpc://HOST:PORT, http://HOST:PORT, grpcs://HOST:PORT, https://HOST:PORT or unix:PATH is');
  }
  const host = parts['host'] ?? '';
  return { url, target: `${host}:${portOf(url, parts['port'])}`, isSecure, isLocal: isLoopback.test(host) };
}

function unixTarget(url: string): string {
  const path = url.slice('unix:'.length).replace(/^\/\/(?=\/)/, '');
  if (path === '' || path.includes('\0')) throw malformed(url, 'unix:PATH is');
  return `unix:${path}`;
}

function portOf(url: string, text: string | undefined): number {
  if (text === undefined) return defaultPort;
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port >= 1 && port <= 65_535) return port;
  throw malformed(url, 'a port from 1 to 65535 is');
}

function malformed(url: string, wanted: string): StatusError {
  return new StatusError(Code.InvalidArgument, `${JSON.stringify(url)} is not the URL of a server: ${wanted} wanted`);
}
