import { type ChannelOptions, openChannel } from '../client/open-channel.js';
import { readTlsFiles } from '../client/read-tls-files.js';
import type { RemoteInstance } from '../client/remote-instance.js';
import { tokenWarning } from '../client/token-warning.js';
import type { RemoteConfig } from '../config/storage-config.js';
import type { Composition } from './composition.js';

/** Connects to the instance of another server that `config` names. */
export async function openRemote(
  { url, instanceName, credentials = {} }: Pick<RemoteConfig, 'url' | 'instanceName' | 'credentials'>,
  { lifecycle, logger }: Composition,
): Promise<RemoteInstance> {
  const { tlsClientKey: clientKey, tlsClientCert: clientCert, tlsServerCert: serverCert } = credentials;
  const tls = await readTlsFiles({ clientKey, clientCert, serverCert });
  const authToken = tokenOf(credentials);
  const warning = tokenWarning({ authToken }, [url]);
  if (warning !== undefined) logger.warn({ url }, warning);
  const options = { url, ...(tls && { tls }), ...(authToken !== undefined && { authToken }) };
  const channel = lifecycle.use(await openChannel(options));
  return { channel, instanceName };
}

function tokenOf({
  authToken,
  bearerToken,
  tokenRefreshSeconds,
}: NonNullable<RemoteConfig['credentials']>): ChannelOptions['authToken'] {
  if (authToken === undefined) return bearerToken;
  return { path: authToken, refreshMs: tokenRefreshSeconds === undefined ? undefined : tokenRefreshSeconds * 1000 };
}
