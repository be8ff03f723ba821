import { Flags } from '@oclif/core';
import { ageFlag } from './age-flag.js';
import { CliFailure } from './cli-failure.js';
import { secondsFlag } from './seconds-flag.js';
import { sizeFlag } from './size-flag.js';

/** Where cleaning ends if nothing is said about it, as a share of where it begins. */
const defaultLowShare = 0.8;

/** What a cleanup is to do; the names are BuildGrid's. */
export const cleanupFlags = {
  'high-watermark': sizeFlag({
    aliases: ['high'],
    env: 'BGD_HIGH_WATERMARK',
    summary: 'Clean up when the blobs have more bytes than this together, such as 100G.',
  }),
  'low-watermark': sizeFlag({
    aliases: ['low'],
    env: 'BGD_LOW_WATERMARK',
    summary: 'Remove blobs until they have no more bytes than this; by default 80 % of the high watermark.',
  }),
  'batch-size': sizeFlag({
    env: 'BGD_BATCH_SIZE',
    default: 2 ** 30,
    defaultHelp: async () => '1G',
    summary: 'Bytes to remove in one go, which is never more than 1,000 blobs.',
  }),
  'only-if-unused-for': ageFlag({
    env: 'BGD_ONLY_IF_UNUSED_FOR',
    default: 0,
    summary: 'Remove only what nobody has used for so long: seconds, or with M, H, D or W.',
  }),
  'dry-run': Flags.boolean({ env: 'BGD_DRY_RUN', summary: 'Only say what would be removed.' }),
  'sleep-interval': secondsFlag({
    env: 'BGD_SLEEP_INTERVAL',
    summary: 'Go on until stopped, and sleep so long in between.',
  }),
  refill: Flags.boolean({
    env: 'BGD_REFILL',
    summary: 'List the storage, and enter what the index lacks.',
    exclusive: ['high-watermark', 'low-watermark', 'dry-run', 'sleep-interval'],
  }),
};

interface Watermarks {
  readonly 'high-watermark'?: number | undefined;
  readonly 'low-watermark'?: number | undefined;
}

/** The sizes between which a cleanup works. Throws where they are missing or make no sense. */
export function watermarksOf({
  'high-watermark': highBytes,
  'low-watermark': lowBytes = Math.floor((highBytes ?? 0) * defaultLowShare),
}: Watermarks): { readonly highBytes: number; readonly lowBytes: number } {
  if (highBytes === undefined) {
    throw CliFailure.ofUsage('--high-watermark is missing: say how large the blobs may grow together, such as 100G');
  }
  if (lowBytes <= highBytes) return { highBytes, lowBytes };
  throw CliFailure.ofUsage('--low-watermark is above --high-watermark: cleaning could never end');
}
