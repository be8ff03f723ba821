/** How a {@link Scheduler} behaves. All times are milliseconds. */
export interface SchedulerOptions {
  /** Platform property names that Actions may ask for, besides OSFamily, ISA and what connected bots offer. */
  readonly propertyKeys?: readonly string[];
  /** How long a BotSession lives without an update. @defaultValue 60 s */
  readonly keepaliveMs?: number;
  /** The same after a held call broke off. @defaultValue 15 s */
  readonly brokenCallKeepaliveMs?: number;
  /** How long a bot's call is held at the most. @defaultValue 300 s, and never more than half of the keepalive */
  readonly maxHoldMs?: number;
  /** How long a Job waits while no connected bot fits; 0 means for ever. @defaultValue 10 min */
  readonly maxQueueTimeMs?: number;
  /** How many Jobs may wait. @defaultValue 100,000 */
  readonly maxQueued?: number;
  /** For how long an Action is refused after bots vanished with it until it was given up; 0 means not at all. @defaultValue 10 min */
  readonly quarantineMs?: number;
  /**
   * How long an Operation goes on that no stream follows and nobody asks about; then it is cancelled. The same on all controllers.
   * 0 means for ever (EX-8). @defaultValue 0
   */
  readonly cancelUnwatchedAfterMs?: number;
  /** The longest timeout that an Action may ask for. @defaultValue 2 h */
  readonly maxExecutionTimeoutMs?: number;
  /** How long an Operation is remembered once it is over. @defaultValue 24 h */
  readonly retentionMs?: number;
  /** How often a quiet stream repeats its state. @defaultValue 30 s */
  readonly repeatMs?: number;
  /** How often is looked for what no event tells of: lost bots, waiting Jobs that nobody took. @defaultValue 5 s */
  readonly sweepMs?: number;
  /** Whether results with a non-zero exit code are cached. @defaultValue false */
  readonly cacheFailedActions?: boolean;
}

/** Fills in the defaults. */
export function resolveSchedulerOptions(options: SchedulerOptions): Required<SchedulerOptions> {
  return {
    propertyKeys: [],
    keepaliveMs: 60_000,
    brokenCallKeepaliveMs: 15_000,
    maxHoldMs: 300_000,
    maxQueueTimeMs: 10 * 60_000,
    maxQueued: 100_000,
    quarantineMs: 10 * 60_000,
    cancelUnwatchedAfterMs: 0,
    maxExecutionTimeoutMs: 2 * 3_600_000,
    retentionMs: 24 * 3_600_000,
    repeatMs: 30_000,
    sweepMs: 5_000,
    cacheFailedActions: false,
    ...options,
  };
}
