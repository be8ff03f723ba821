import type { Digest } from '../digest/digest.js';
import type { Attempt, JobStore, Operation, OperationLabels } from './job-store.js';
import type { OfferedProperties } from './platform.js';

/** All that is known of an Operation and its Job. */
export interface JobDetails {
  /** The moment of this look, by the clock that all other times are of. */
  readonly asOfMs: number;
  readonly operation: Operation;
  readonly labels: OperationLabels;
  readonly priority: number;
  /** The order among the waiting Jobs of its platform: the least goes first. */
  readonly rank: number;
  /** A Job that failed waits until then. */
  readonly readyAtMs: number;
  /** Whether a bot has the Job. */
  readonly isLeased: boolean;
  /** How many Operations wait for the Job, this one included. */
  readonly sharedBy: number;
  /** Oldest first. */
  readonly attempts: readonly Attempt[];
  /** How many Jobs of its platform have a lower rank, counted up to {@link maxAhead}; 0 if the Job does not wait. */
  readonly ahead: number;
}

/** Up to so many Jobs that go first are counted. */
export const maxAhead = 1_000;

/** The Lease of a bot. */
export interface BotLease {
  readonly actionDigest: Digest;
  /** An Operation of the bot's own instance that waits for the Job, if there is one. */
  readonly operationId?: string;
  readonly leasedAtMs: number;
  readonly startedAtMs?: number;
  /** Whether the bot is to stop: it has not said yet that it has. */
  readonly isCalledOff: boolean;
}

/** What a connected bot has told, and what it has. */
export interface BotSessionDetails {
  readonly name: string;
  readonly offered: OfferedProperties;
  /** Whether the bot itself takes work. */
  readonly isAccepting: boolean;
  readonly expiresAtMs: number;
  readonly lease?: BotLease;
}

/** A bot that is connected, or is to get nothing new when it comes again. */
export interface BotDetails {
  readonly botId: string;
  readonly isDrained: boolean;
  readonly session?: BotSessionDetails;
}

/** Some bots, by their ids. */
export interface BotList {
  /** The moment of this look, by the clock that all other times are of. */
  readonly asOfMs: number;
  readonly bots: readonly BotDetails[];
}

/** Which bots {@link JobInspection.bots} returns. */
export interface BotsQuery {
  readonly parent: string;
  /** Only those behind this one. */
  readonly afterBotId: string;
  readonly limit: number;
}

/** A bot, as far as it matters to a Job that waits. */
export interface FleetBot {
  readonly botId: string;
  readonly sessionName: string;
  readonly offered: OfferedProperties;
  readonly state: 'idle' | 'busy' | 'draining';
}

/** What people look at and put right. Every method is one atomic change, or one look. */
export interface JobInspection {
  describe(operationId: string): Promise<JobDetails | undefined>;

  bots(query: BotsQuery): Promise<BotList>;

  /** The connected bots, whichever instance they work for: any may take any Job that fits. */
  fleet(): Promise<readonly FleetBot[]>;

  /**
   * Lets a bot get nothing new, or anything again, whenever and wherever it connects; what it has it may finish. Returns
   * false if it is neither connected nor drained.
   */
  drain(bot: { readonly parent: string; readonly botId: string }, isDrained: boolean): Promise<boolean>;

  /**
   * Takes the Job of an Operation away from its bot, whose report no longer counts, and puts it back where it was in the
   * queue; that is no attempt. Changes nothing, and says why, if no bot has it.
   */
  requeue(operationId: string): Promise<'requeued' | 'queued' | 'over'>;
}

/** A {@link JobStore} that people can look into. */
export interface InspectableJobStore extends JobStore {
  readonly inspection: JobInspection;
}
