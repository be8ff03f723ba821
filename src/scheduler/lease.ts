/** The numbers of `LeaseState`, as far as a Lease is kept in them. */
export const LeaseState = { Unspecified: 0, Pending: 1, Active: 2, Completed: 4, Cancelled: 5 } as const;

/** One of the numbers of {@link LeaseState}. */
export type LeaseState = (typeof LeaseState)[keyof typeof LeaseState];

/** What the end of a Lease means for its Job. */
export type Verdict =
  /** The Job is done; `response` is its encoded `ExecuteResponse`. */
  | { readonly kind: 'done'; readonly response: Uint8Array }
  /** The worker, not the action, is at fault: another attempt, later, and rather by another bot. */
  | { readonly kind: 'retry'; readonly error: string };

/** What a bot says of one of its Leases. */
export interface LeaseReport {
  readonly id: string;
  readonly state: LeaseState;
  /** Set when the state is COMPLETED. */
  readonly verdict?: Verdict;
}

/** A Lease that a session has, as the server knows it. */
export interface HeldLease {
  readonly id: string;
  readonly state: typeof LeaseState.Pending | typeof LeaseState.Active | typeof LeaseState.Cancelled;
  /** Whether the bot has told of it yet: until then the answer that carried it may be lost. */
  readonly isReported: boolean;
  /** In how many answers it was offered. */
  readonly offers: number;
}

/** What becomes of a Lease. */
export type LeaseDecision =
  | { readonly kind: 'keep' }
  /** It goes into the answer once more: the last one was lost. */
  | { readonly kind: 'offer' }
  | { readonly kind: 'activate' }
  /** The bot has begun nothing: the Job goes back as if nothing had been. */
  | { readonly kind: 'give-back' }
  /** An attempt without a result. */
  | { readonly kind: 'lost'; readonly error: string }
  | { readonly kind: 'finish'; readonly verdict: Verdict }
  /** Over on both sides. */
  | { readonly kind: 'drop' };

/** A bot that is offered a Lease so often and never mentions it does not take work. */
const maxOffers = 5;

const keep: LeaseDecision = { kind: 'keep' };
const drop: LeaseDecision = { kind: 'drop' };
const refused: LeaseDecision = { kind: 'lost', error: 'the bot gave the lease up' };
const untold: Verdict = { kind: 'retry', error: 'the bot told no result' };
const omitted: LeaseDecision = { kind: 'lost', error: 'the bot no longer knows the lease' };

/**
 * The rules of RW-6 and RW-7: what a bot's report, or its silence, means for a Lease. `isAccepting` tells whether the bot
 * takes work now.
 */
export function decideLease(lease: HeldLease, report: LeaseReport | undefined, isAccepting: boolean): LeaseDecision {
  if (lease.state === LeaseState.Cancelled) return report && isRunning(report.state) ? keep : drop;
  if (!report) return lease.isReported ? omitted : decideUnreported(lease, isAccepting);
  return onReport[report.state](lease, report);
}

const onReport: Readonly<Record<LeaseState, (lease: HeldLease, report: LeaseReport) => LeaseDecision>> = {
  [LeaseState.Unspecified]: () => keep,
  [LeaseState.Pending]: () => keep,
  [LeaseState.Active]: ({ state }) => (state === LeaseState.Pending ? { kind: 'activate' } : keep),
  [LeaseState.Completed]: (_lease, { verdict }) => ({ kind: 'finish', verdict: verdict ?? untold }),
  [LeaseState.Cancelled]: () => refused,
};

/** Whether a bot that reports `state` is still at it: a Lease that is not its own must then be called off. */
export function isRunning(state: LeaseState): boolean {
  return state !== LeaseState.Completed && state !== LeaseState.Cancelled;
}

function decideUnreported({ offers }: HeldLease, isAccepting: boolean): LeaseDecision {
  if (!isAccepting) return { kind: 'give-back' };
  return offers >= maxOffers ? { kind: 'lost', error: 'the bot does not take the lease' } : { kind: 'offer' };
}
