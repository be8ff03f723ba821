import { isIP } from 'node:net';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';

/** Where a server listens: a TCP port (0 = a free one) at one of this machine's addresses, or a socket file. */
export type ListenAddress = { readonly host: string; readonly port: number } | { readonly socketPath: string };

/** Reads `ADDRESS:PORT`, `[IPV6]:PORT`, `:PORT` (all addresses) or `unix:PATH`. Throws INVALID_ARGUMENT. */
export function parseListenAddress(text: string): ListenAddress {
  if (text.startsWith('unix:') && text.length > 'unix:'.length) return { socketPath: text.slice('unix:'.length) };
  const parts = /^(?:\[(?<v6>[0-9a-fA-F:.]+)\]|(?<host>[^:[\]]*)):(?<port>\d{1,5})$/.exec(text)?.groups;
  const port = Number(parts?.['port']);
  if (!parts || port > 65_535) {
    throw new StatusError(
      Code.InvalidArgument,
      `Cannot listen on ${JSON.stringify(text)}: ADDRESS:PORT (port 0 to 65535; 0 is a free one) or unix:PATH is wanted`,
    );
  }
  return { host: parts['v6'] ?? (parts['host'] === '' ? '::' : (parts['host'] ?? '::')), port };
}

/** The form that grpc-js binds to. */
export function bindTarget(address: ListenAddress): string {
  if ('socketPath' in address) return `unix:${address.socketPath}`;
  return `${isIP(address.host) === 6 ? `[${address.host}]` : address.host}:${address.port}`;
}

/** The form that clients connect to, as printed. */
export function urlOf(address: ListenAddress, isSecure = false): string {
  return 'socketPath' in address
    ? `unix:${address.socketPath}`
    : `${isSecure ? 'grpcs' : 'grpc'}://${bindTarget(address)}`;
}
