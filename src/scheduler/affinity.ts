import type { Digest } from '../digest/digest.js';

/** What tells which bot is well prepared for a Job. */
export interface AffinitySource {
  /** The client's name for what is built; empty if it does not say. Untrusted: it is a hint. */
  readonly targetId: string;
  readonly inputRootDigest: Digest | undefined;
}

/** No longer than this is kept of what a client calls its target. */
const maxLength = 200;

/**
 * The same for Jobs that one bot had better run one after the other, because its files are warm: those of one target, or,
 * where the client names none, of one input root.
 */
export function affinityKeyOf({ targetId, inputRootDigest }: AffinitySource): string | undefined {
  if (targetId !== '') return `target:${targetId.slice(-maxLength)}`;
  return inputRootDigest && `inputs:${inputRootDigest.key}`;
}
