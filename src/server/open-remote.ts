import type { Channel } from '../client/channel.js';
import { openChannel } from '../client/open-channel.js';
import type { RemoteConfig } from '../config/server-config.js';

/** Connects to the server that `config` names. */
export function openRemote({ url, credentials }: Pick<RemoteConfig, 'url' | 'credentials'>): Promise<Channel> {
  return openChannel({ url });
}
