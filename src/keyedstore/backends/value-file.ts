import { hash } from 'node:crypto';

/** What a value's file says besides the value. */
interface Header {
  readonly key: string;
  readonly expiresAtMs: number | null;
  /** Of the value and its expiry, so that a damaged file is not taken for them. */
  readonly sha256: string;
}

/** A value as it is kept in a file, under its full key: the file's name is only a hash of it. */
export interface KeptValue {
  readonly key: string;
  readonly value: Buffer;
  /** Infinity if it never expires. */
  readonly expiresAtMs: number;
}

/** A header as a line of JSON, which a person can read, then the value as it is. */
export function encodeValueFile({ key, value, expiresAtMs }: KeptValue): Buffer {
  const header: Header = {
    key,
    expiresAtMs: Number.isFinite(expiresAtMs) ? expiresAtMs : null,
    sha256: hashOf(value, expiresAtMs),
  };
  return Buffer.concat([Buffer.from(`${JSON.stringify(header)}\n`), value]);
}

/** Returns what a file holds, or `undefined` if it is damaged. */
export function decodeValueFile(bytes: Buffer): KeptValue | undefined {
  const end = bytes.indexOf('\n');
  const header = parseHeader(bytes.toString('utf8', 0, Math.max(0, end)));
  const value = bytes.subarray(end + 1);
  const expiresAtMs = header?.expiresAtMs ?? Infinity;
  return header?.sha256 === hashOf(value, expiresAtMs) ? { key: header.key, value, expiresAtMs } : undefined;
}

/** That of a value that never expires is of nothing else. */
function hashOf(value: Uint8Array, expiresAtMs: number): string {
  const expiry = Number.isFinite(expiresAtMs) ? `${expiresAtMs}\n` : '';
  return hash('sha256', Buffer.concat([Buffer.from(expiry), value]), 'hex');
}

function parseHeader(line: string): Header | undefined {
  try {
    const header = JSON.parse(line) as Partial<Header> | null;
    const isWhole = typeof header?.key === 'string' && typeof header.sha256 === 'string';
    return isWhole ? (header as Header) : undefined;
  } catch {
    return undefined;
  }
}
