import { readFile } from 'node:fs/promises';
import type { TlsFiles } from './open-channel.js';

/** Where the files of a TLS connection are; all of them may be left out. */
export interface TlsPaths {
  readonly clientKey: string | undefined;
  readonly clientCert: string | undefined;
  readonly serverCert: string | undefined;
}

/** Reads the files that are named; `undefined` if none is. Rejects as reading them does. */
export async function readTlsFiles({ clientKey, clientCert, serverCert }: TlsPaths): Promise<TlsFiles | undefined> {
  if ((clientKey ?? clientCert ?? serverCert) === undefined) return undefined;
  return {
    ...(clientKey !== undefined && { clientKey: await readFile(clientKey) }),
    ...(clientCert !== undefined && { clientCert: await readFile(clientCert) }),
    ...(serverCert !== undefined && { serverCert: await readFile(serverCert) }),
  };
}
