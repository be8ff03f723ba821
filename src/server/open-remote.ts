import { openChannel } from '../client/open-channel.js';
import { readTlsFiles } from '../client/read-tls-files.js';
import type { RemoteInstance } from '../client/remote-instance.js';
import type { RemoteConfig } from '../config/storage-config.js';
import type { Composition } from './composition.js';

/** Connects to the instance of another server that `config` names. */
export async function openRemote(
  { url, instanceName, credentials = {} }: Pick<RemoteConfig, 'url' | 'instanceName' | 'credentials'>,
  { lifecycle }: Composition,
): Promise<RemoteInstance> {
  const { tlsClientKey: clientKey, tlsClientCert: clientCert, tlsServerCert: serverCert } = credentials;
  const tls = await readTlsFiles({ clientKey, clientCert, serverCert });
  const channel = lifecycle.use(await openChannel({ url, ...(tls && { tls }) }));
  return { channel, instanceName };
}
