import { parseEndpoint } from './endpoint.js';
import type { ChannelOptions } from './open-channel.js';

/** Says to which of several servers a token would go for everybody on the way to read; `undefined` if to none. */
export function tokenWarning(
  { authToken }: { readonly authToken?: ChannelOptions['authToken'] | undefined },
  urls: readonly string[],
): string | undefined {
  if (authToken === undefined) return undefined;
  const open = urls.map(parseEndpoint).filter(({ isSecure, isLocal }) => !isSecure && !isLocal);
  if (open.length === 0) return undefined;
  const names = open.map(({ url }) => url).join(' and ');
  return `The token is sent to ${names} without encryption: grpcs:// would keep it secret`;
}
