import type { ActionSpec } from '../client/action-draft.js';
import type { ConnectionFlags } from './connection-flags.js';

/** Why a user's command waits, where the server says so, and what the user can do about it. */
export function presentQueued(
  flags: ConnectionFlags,
  platform: NonNullable<ActionSpec['platform']> = [],
  why = 'no bot has taken it yet',
): string {
  const instance = flags['instance-name'] ?? '';
  const bot = [
    `bgd bot host-tools --remote ${flags.remote}`,
    ...(flags['remote-cas'] === undefined ? [] : [`--remote-cas ${flags['remote-cas']}`]),
    ...(instance === '' ? [] : [`--parent ${instance}`]),
    ...platform.map(([name, value]) => `-w ${name}=${value}`),
  ];
  return `queued: ${why} (start one with: ${bot.join(' ')})`;
}
