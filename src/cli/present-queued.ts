import type { ActionSpec } from '../client/action-draft.js';
import type { ConnectionFlags } from './connection-flags.js';

/** What a user whose command waits can do about it. */
export function presentQueued(flags: ConnectionFlags, platform: NonNullable<ActionSpec['platform']> = []): string {
  const instance = flags['instance-name'] ?? '';
  const bot = [
    `bgd bot host-tools --remote ${flags.remote}`,
    ...(flags['remote-cas'] === undefined ? [] : [`--remote-cas ${flags['remote-cas']}`]),
    ...(instance === '' ? [] : [`--parent ${instance}`]),
    ...platform.map(([name, value]) => `-w ${name}=${value}`),
  ];
  return `queued: no bot has taken it yet (start one with: ${bot.join(' ')})`;
}
