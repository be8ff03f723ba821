import { platformOfKey } from './platform.js';

/** A platform in demand, and how far it has come: the `finish` of the Job at the head of its queue. */
export interface PlatformProgress {
  readonly platformKey: string;
  readonly finish: number;
}

/**
 * The virtual time at which a platform starts that was idle: that of the busy platform most like it, because that one most
 * likely has the same bots, and neither should wait until the other has caught up. Of several it is the least. `undefined`
 * if none has anything in common with it.
 */
export function startLike(platformKey: string, busy: readonly PlatformProgress[]): number | undefined {
  const pairs = pairsOf(platformKey);
  let [best, start]: [number, number | undefined] = [0, undefined];
  for (const { platformKey: other, finish } of busy) {
    const likeness = likenessOf(pairs, pairsOf(other));
    if (likeness === 0 || likeness < best) continue;
    start = likeness > best || start === undefined ? finish : Math.min(start, finish);
    best = likeness;
  }
  return start;
}

/** Jaccard's: how many of all the demands both have, from 0 to 1. */
function likenessOf(one: ReadonlySet<string>, other: ReadonlySet<string>): number {
  const shared = [...one].filter((pair) => other.has(pair)).length;
  const all = one.size + other.size - shared;
  return all === 0 ? 1 : shared / all;
}

function pairsOf(platformKey: string): Set<string> {
  return new Set(platformOfKey(platformKey).map(({ name, value }) => JSON.stringify([name, value])));
}
