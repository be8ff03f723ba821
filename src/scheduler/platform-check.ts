import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { Bot } from './job-store.js';
import { describePlatform, knowsName, type Platform } from './platform.js';

const osFamily = 'OSFamily';

/** Property names that every instance knows (RW-11). */
export const builtInPropertyKeys: readonly string[] = [osFamily, 'ISA'];

/** What the names and values of a platform may have together: with each waiting Job they are held against each bot (U4). */
const maxPlatformLength = 16 * 1024;

/** Throws INVALID_ARGUMENT for a platform that is larger than any could be. */
export function checkPlatformSize(platform: Platform): void {
  const length = platform.reduce((sum, { name, value }) => sum + name.length + value.length + 1, 0);
  if (length <= maxPlatformLength) return;
  throw new StatusError(
    Code.InvalidArgument,
    `The platform has ${platform.length} properties of ${length} characters; at most ${maxPlatformLength} are possible`,
  );
}

/** Throws FAILED_PRECONDITION, without details, for two OSFamilies: no worker has both. */
export function checkOneOsFamily(platform: Platform): void {
  const families = platform.filter(({ name }) => name === osFamily);
  if (families.length <= 1) return;
  throw new StatusError(
    Code.FailedPrecondition,
    `The platform asks for ${families.length} values of "OSFamily" (${describePlatform(families)}); one is possible`,
  );
}

/** Throws FAILED_PRECONDITION, without details, naming a property name that is neither in `known` nor offered by a bot. */
export function checkKnownNames(platform: Platform, known: readonly string[], bots: readonly Bot[]): void {
  const isKnown = (name: string): boolean => known.includes(name) || bots.some((bot) => knowsName(bot.offered, name));
  const stranger = platform.find(({ name }) => !isKnown(name));
  if (!stranger) return;
  throw new StatusError(
    Code.FailedPrecondition,
    `Platform property ${JSON.stringify(stranger.name)} is not known here: known are ${known.join(', ')} and what connected bots offer; start a bot that offers it, or add it to property-keys`,
  );
}
