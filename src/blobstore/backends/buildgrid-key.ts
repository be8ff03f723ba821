import type { Digest } from '../../digest/digest.js';
import { SHA256 } from '../../digest/digest-function.js';

/** The key under which BuildGrid keeps a blob, so that its stores stay valid; other functions have a folder each. */
export function buildGridKey(digest: Digest): string {
  const key = `${digest.hash}_${digest.sizeBytes}`;
  return digest.function === SHA256 ? key : `${digest.function.segment}/${key}`;
}
