/** What decides the place of a Job that is queued; all of it is read from the rows of live Jobs, so that nothing else is kept. */
export interface RankInput {
  /**
   * How far the platform has come: the greatest {@link Rank.finish} among its leased Jobs and the waiting one of the least
   * rank. If it has neither, where `startLike` says; if that says nothing, the greatest `finish` of any leased Job, so that
   * platforms that share bots start level; if there is none, 0.
   */
  readonly virtualTime: number;
  /**
   * The greatest {@link Rank.finish} among the live Jobs (waiting or leased, of whatever priority) of the same invocation on
   * the same platform; `undefined` if it has none.
   */
  readonly lastFinish: number | undefined;
  /** int32; the lower, the sooner (EX-13). */
  readonly priority: number;
}

/** A place in the queue of a platform. */
export interface Rank {
  /** The order of claims: the least first, then the lower `seq`. */
  readonly rank: number;
  /** Where the invocation's next Job starts. */
  readonly finish: number;
}

/** How many times its fair share the most urgent invocation gets; the least urgent gets one part in so many. */
const maxWeight = 8;

/** How many Jobs of each other invocation the most urgent Job overtakes at most because of its priority alone. */
const maxHeadStart = 16;

/** The priority at which half of both is reached. */
const halfPriority = 4;

/**
 * Gives a Job its place: self-clocked fair queueing (Golestani, 1994) between invocations. The unit is a Job of priority 0.
 *
 * An invocation's Jobs follow each other at a distance of 1/weight, the first one at the virtual time. So those that wait
 * at the same time share the bots by their weights, however many Jobs each has and whoever came first. Urgency raises
 * the weight and moves the Job ahead, both within bounds: as each Job that is leased moves the virtual time on by
 * 1/8 or more, what waits is overtaken by so many at most, and nothing starves.
 *
 * Ranks belong to invocations, not to Jobs: see {@link takesPlaceOf} for the order within one. A Job that a second
 * invocation joins takes the better of its own place and the one that it would have in that invocation, and belongs to that
 * one from then on: a small build does not wait for a large one's turn. Ranks are small: they begin
 * at 0 again whenever nothing is leased or waits. Even if that never happens, the distance is exact to a thousandth for
 * 10¹² Jobs in a row.
 */
export function rankJob({ virtualTime, lastFinish = virtualTime, priority }: RankInput): Rank {
  const urgency = urgencyOf(priority);
  const finish = Math.max(virtualTime, lastFinish) + maxWeight ** -urgency;
  return { rank: finish - maxHeadStart * urgency, finish };
}

/** From -1 to 1 exclusive, so that no int32 is too much; 0 for priority 0. */
function urgencyOf(priority: number): number {
  return -priority / (Math.abs(priority) + halfPriority);
}

/** A waiting Job, as its invocation sees it. */
export interface PlacedJob {
  readonly seq: number;
  readonly priority: number;
  readonly queuedAtMs: number;
}

/** After so long, a Job keeps its place: an invocation's urgent Jobs do not hold up its others for ever. */
export const keepsPlaceAfterMs = 60 * 60_000;

/**
 * Whether `other` goes in the place of `head`: of the waiting Jobs of one invocation on one platform, the most urgent and
 * then the oldest goes first (EX-13), whichever of them has the least rank. The two exchange `rank` and `finish` when the
 * claim is made: the invocation has no more than its share, and each of its places is used once.
 */
export function takesPlaceOf(head: PlacedJob, other: PlacedJob, nowMs: number): boolean {
  if (nowMs - head.queuedAtMs >= keepsPlaceAfterMs) return false;
  return other.priority === head.priority ? other.seq < head.seq : other.priority < head.priority;
}
