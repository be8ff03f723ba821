/** A Job at the head of a platform's queue, or right behind it. */
export interface QueueHead {
  readonly platformKey: string;
  readonly rank: number;
  readonly seq: number;
  readonly queuedAtMs: number;
  /** The same for Jobs of one target, or of one input root; `undefined` if nothing is known. */
  readonly affinityKey?: string | undefined;
}

/** What the order depends on besides the Jobs. */
export interface Claimant {
  /** Grows as the bot claims; how much at a time does not matter. */
  readonly turn: number;
  /** The {@link QueueHead.affinityKey} of the Job that it ran last. */
  readonly affinityKey?: string | undefined;
}

/** One claim in so many is a platform's in turn. A prime, so that no steady step of `turn` passes it by. */
const turnEvery = 17;

/** While the first Job is younger, one that the bot is better prepared for may go before it. */
export const localityDelayMs = 100;

/** How much further behind that one may be: a Job of priority 0. */
const localityDetour = 1;

/**
 * Sorts the Jobs that fit a bot, the one to claim first: by rank. Two exceptions, both bounded:
 *
 * Ranks of platforms that no bot served in common may have drifted apart. When bots serve both later, one of them would
 * wait until the other has caught up: so now and then a bot takes the head of each platform in turn.
 *
 * A bot takes a Job of the target or input root that it had last, if that is hardly later and the first Job hardly waits.
 */
export function orderHeads<H extends QueueHead>(
  heads: readonly H[],
  { turn, affinityKey }: Claimant,
  nowMs: number,
): H[] {
  const ordered = [...heads].sort((a, b) => a.rank - b.rank || a.seq - b.seq);
  const preferred = inTurn(ordered, turn) ?? local(ordered, affinityKey, nowMs);
  if (!preferred || preferred === ordered[0]) return ordered;
  return [preferred, ...ordered.filter((head) => head !== preferred)];
}

function inTurn<H extends QueueHead>(ordered: readonly H[], turn: number): H | undefined {
  if (turn % turnEvery !== turnEvery - 1) return undefined;
  const platformKeys = [...new Set(ordered.map(({ platformKey }) => platformKey))].sort();
  const chosen = platformKeys[Math.floor(turn / turnEvery) % platformKeys.length];
  return ordered.find(({ platformKey }) => platformKey === chosen);
}

function local<H extends QueueHead>(
  ordered: readonly H[],
  affinityKey: string | undefined,
  nowMs: number,
): H | undefined {
  const [first] = ordered;
  if (!first || affinityKey === undefined || nowMs - first.queuedAtMs >= localityDelayMs) return undefined;
  return ordered.find((head) => head.affinityKey === affinityKey && head.rank - first.rank <= localityDetour);
}
