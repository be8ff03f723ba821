import { orderHeads } from '../claim-order.js';
import { takesPlaceOf, type Rank } from '../rank.js';
import type { SessionRow } from './job-tables.js';
import { flowKeyOf, type WaitingJob } from './queue-heads.js';

/** A session that takes work, and the platforms in demand that it fits. */
export interface Claimant {
  readonly session: SessionRow;
  readonly platformKeys: ReadonlySet<string>;
}

/** Who is to get which Job. */
export interface Pick {
  readonly claimant: Claimant;
  readonly job: WaitingJob;
  /** The place that the Job has then. */
  readonly place: Rank;
  /** Whose place it took, and which one that Job has instead. */
  readonly left?: { readonly job: WaitingJob; readonly place: Rank };
}

/** What claims choose from. */
export interface Supply {
  /** The first Jobs of each platform. */
  readonly heads: readonly WaitingJob[];
  /** The most urgent and oldest Jobs of the flows of those. */
  readonly inFlows: readonly WaitingJob[];
  /** The platforms of which more Jobs wait than are here. */
  readonly truncated: ReadonlySet<string>;
  readonly nowMs: number;
}

/** What {@link matchClaims} has found. */
export interface Match {
  readonly picks: readonly Pick[];
  /** They have to look again, when more is loaded. */
  readonly undecided: readonly Claimant[];
}

/** Gives claimants, one after the other, the first of the Jobs that fit. */
export function matchClaims(claimants: readonly Claimant[], supply: Supply): Match {
  const known = new Map([...supply.inFlows, ...supply.heads].map((job) => [job.id, job]));
  const heads = new Set(supply.heads.flatMap(({ id }) => known.get(id) ?? []));
  const flows = new Map<string, Set<WaitingJob>>();
  for (const job of known.values()) {
    const flow = flows.get(flowKeyOf(job)) ?? new Set();
    flows.set(flowKeyOf(job), flow.add(job));
  }
  const picks: Pick[] = [];
  const undecided: Claimant[] = [];
  for (const claimant of claimants) {
    const fitting = [...heads].filter(({ platformKey }) => claimant.platformKeys.has(platformKey));
    if (mayMissOne(claimant, fitting, supply)) {
      undecided.push(claimant);
      continue;
    }
    const { revision: turn, affinity_key: affinityKey } = claimant.session;
    const [head] = orderHeads(fitting, { turn, affinityKey: affinityKey ?? undefined }, supply.nowMs);
    if (!head) continue;
    const flow = flows.get(flowKeyOf(head)) ?? new Set([head]);
    const pick = pickOf(claimant, head, { flow, nowMs: supply.nowMs });
    picks.push(pick);
    flow.delete(pick.job);
    heads.delete(pick.job);
    if (pick.left) pick.left.job.place = pick.left.place;
  }
  return { picks, undecided };
}

/** Whether the Jobs of a platform are used up that are here, while more of them wait. */
function mayMissOne({ platformKeys }: Claimant, fitting: readonly WaitingJob[], { truncated }: Supply): boolean {
  return [...truncated].some((key) => platformKeys.has(key) && !fitting.some(({ platformKey }) => platformKey === key));
}

interface Chosen {
  readonly flow: ReadonlySet<WaitingJob>;
  readonly nowMs: number;
}

/** Of the flow whose turn it is, the most urgent and oldest Job goes: it takes the place of the head. */
function pickOf(claimant: Claimant, head: WaitingJob, { flow, nowMs }: Chosen): Pick {
  let best = head;
  for (const job of flow) if ((job.priority - best.priority || job.seq - best.seq) < 0) best = job;
  if (best === head || !takesPlaceOf(head, best, nowMs)) return { claimant, job: head, place: head.place };
  return { claimant, job: best, place: head.place, left: { job: head, place: best.place } };
}
