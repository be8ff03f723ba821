import { readFile } from 'node:fs/promises';
import { type TlsFiles, openChannel } from '../client/open-channel.js';
import type { RemoteInstance } from '../client/remote-instance.js';
import type { RemoteConfig } from '../config/server-config.js';
import type { Composition } from './composition.js';

/** Connects to the instance of another server that `config` names. */
export async function openRemote(
  { url, instanceName, credentials = {} }: Pick<RemoteConfig, 'url' | 'instanceName' | 'credentials'>,
  { lifecycle }: Composition,
): Promise<RemoteInstance> {
  const tls: { -readonly [File in keyof TlsFiles]: TlsFiles[File] } = {};
  const { tlsClientKey, tlsClientCert, tlsServerCert } = credentials;
  if (tlsClientKey !== undefined) tls.clientKey = await readFile(tlsClientKey);
  if (tlsClientCert !== undefined) tls.clientCert = await readFile(tlsClientCert);
  if (tlsServerCert !== undefined) tls.serverCert = await readFile(tlsServerCert);
  const channel = lifecycle.use(await openChannel({ url, ...(Object.keys(tls).length > 0 && { tls }) }));
  return { channel, instanceName };
}
