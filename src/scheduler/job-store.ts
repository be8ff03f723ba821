import type { Digest } from '../digest/digest.js';
import type { JobEvents } from './job-events.js';
import type { HeldLease, LeaseReport } from './lease.js';
import type { OperationCondition } from './operation-filter.js';
import type { OfferedProperties } from './platform.js';
import type { Stage } from './stage.js';

/** A Job that is to be, unless one in flight does as well. */
export interface NewJob {
  readonly actionDigest: Digest;
  readonly platformKey: string;
  /** The lower, the sooner (EX-13). */
  readonly priority: number;
  /** Whether the result may go into the ActionCache. */
  readonly isCacheable: boolean;
  /** The same for Jobs that a bot does quicker one after the other; `undefined` if nothing is known. */
  readonly affinityKey?: string | undefined;
  /** Whether this may share a Job with others that ask for the same Action (EX-6, EX-7). */
  readonly isShared: boolean;
  /**
   * For how long the Action is quarantined after bots vanished with it until it was given up: the Job is then failed as it is
   * made. At most as long as what is over is remembered. @defaultValue 0: never
   */
  readonly quarantineMs?: number;
  /** The encoded `ExecuteResponse` of a Job that is done as it is made, because it is cached. */
  readonly response?: Uint8Array;
}

/** What a client says of itself and the purpose of its call (RM-2). Untrusted. */
export interface OperationLabels {
  readonly toolInvocationId: string;
  readonly correlatedInvocationsId: string;
  readonly actionMnemonic: string;
  readonly targetId: string;
}

/** A client's handle that is to be. */
export interface NewOperation {
  readonly instanceName: string;
  readonly labels: OperationLabels;
  /** Kept for the services, opaque here: what this client wants of the response. */
  readonly hints: string;
  /** After how long it is cancelled, unless somebody is told to watch it by then. @defaultValue never */
  readonly watchedForMs?: number | undefined;
}

/** A client's handle on a Job, as it stands. */
export interface Operation {
  readonly id: string;
  readonly instanceName: string;
  readonly jobId: string;
  readonly actionDigest: Digest;
  /** What its Job asks of a bot. */
  readonly platformKey: string;
  /** COMPLETED too when only this Operation is over, by a cancel. */
  readonly stage: Stage;
  readonly queuedAtMs: number;
  /** When a bot was last given the Job, when it began, and when the Job ended. */
  readonly leasedAtMs?: number;
  readonly startedAtMs?: number;
  readonly completedAtMs?: number;
  readonly hints: string;
  /** The encoded `ExecuteResponse`, if and only if the stage is COMPLETED. */
  readonly response?: Uint8Array;
  /** Its place among all Operations. */
  readonly seq: number;
}

/** An Operation among others. */
export interface ListedOperation extends Operation {
  readonly labels: OperationLabels;
  /** The bot that has the Job. */
  readonly botId?: string;
}

/** How a Lease ended: with a result, by the worker's fault, with the bot, before anything was begun, because of a cancel, or taken away. */
export type AttemptOutcome = 'completed' | 'failed' | 'lost' | 'returned' | 'cancelled' | 'requeued';

/** A Lease that a Job had or has, for its history. */
export interface Attempt {
  readonly leaseId: string;
  /** From 1; one that was given back does not count, so that the next one has its number. */
  readonly number: number;
  readonly botId: string;
  readonly sessionName: string;
  readonly leasedAtMs: number;
  readonly startedAtMs?: number;
  readonly endedAtMs?: number;
  readonly outcome?: AttemptOutcome;
  readonly error?: string;
}

/** Which Operations {@link OperationStore.list} returns, oldest first. */
export interface OperationQuery {
  readonly instanceName: string;
  readonly conditions: readonly OperationCondition[];
  /** Only those behind this {@link Operation.seq}. */
  readonly afterSeq: number;
  readonly limit: number;
}

/** Operations and the Jobs behind them, as clients see them. Every method is one atomic change. */
export interface OperationStore {
  /**
   * Adds an Operation, and a Job unless it can share one that is in flight; that one takes the more urgent priority.
   * Throws RESOURCE_EXHAUSTED when `maxQueued` Jobs are waiting.
   */
  add(job: NewJob, operation: NewOperation, maxQueued: number): Promise<Operation>;

  find(operationId: string): Promise<Operation | undefined>;

  list(query: OperationQuery): Promise<readonly ListedOperation[]>;

  /** The Leases that a Job had and has, oldest first. */
  attempts(jobId: string): Promise<readonly Attempt[]>;

  /** Ends an Operation, and its Job when no other waits for it. One that is over or unknown stays as it is. */
  cancel(operationId: string): Promise<void>;

  /** Forgets an Operation that is over. Returns false if it is still going on. */
  forget(operationId: string): Promise<boolean>;
}

/** A bot that wants to work. */
export interface NewSession {
  readonly parent: string;
  readonly botId: string;
  readonly isAccepting: boolean;
  readonly offered: OfferedProperties;
  readonly keepaliveMs: number;
}

/** What a bot says in an update. */
export interface SessionUpdate {
  readonly name: string;
  readonly botId: string;
  /** Whether it takes work now. */
  readonly isAccepting: boolean;
  /** Whether it goes once it has no Lease. */
  readonly isLeaving: boolean;
  readonly offered: OfferedProperties;
  readonly keepaliveMs: number;
  readonly reports: readonly LeaseReport[];
}

/** A Lease that a session has, with what its bot must know. */
export interface SessionLease extends HeldLease {
  readonly actionDigest: Digest;
}

/** A bot's session, as it stands. */
export interface Session {
  readonly name: string;
  /** Grows with each update: who acts for an older one acts too late. */
  readonly revision: number;
  /** Whether people want its bot to get nothing new. */
  readonly isDrained: boolean;
  readonly expiresAtMs: number;
  /** The {@link NewJob.affinityKey} of the Job that it had last. */
  readonly affinityKey?: string | undefined;
  readonly leases: readonly SessionLease[];
}

/** A Lease's Job, for whoever judges its result. */
export interface LeasedJob {
  readonly leaseId: string;
  readonly actionDigest: Digest;
  readonly isCacheable: boolean;
  readonly queuedAtMs: number;
}

/** A registered bot. */
export interface Bot {
  readonly botId: string;
  readonly sessionName: string;
  readonly offered: OfferedProperties;
}

/** Sessions of bots and their Leases. Every method is one atomic change. */
export interface SessionStore {
  /** Opens a session in place of the bot's last one, whose Leases are lost. */
  open(session: NewSession): Promise<Session>;

  /** Takes a bot's report (RW-6, RW-7). Throws INVALID_ARGUMENT saying why if the session is no more. */
  update(update: SessionUpdate): Promise<Session>;

  /**
   * Gives a session without Lease the most urgent of the Jobs that fit, and a new deadline. `undefined` if none fits, or
   * if the session has gone on, takes no work or is no more.
   */
  claim(sessionName: string, revision: number, keepaliveMs: number): Promise<Session | undefined>;

  /** Sets a new deadline, and returns the session; `undefined` if it has gone on or is no more. */
  touch(sessionName: string, revision: number, keepaliveMs: number): Promise<Session | undefined>;

  /** The bot has not taken our answer: what it was given goes back, and it must come again soon. */
  hangUp(sessionName: string, revision: number, keepaliveMs: number): Promise<void>;

  /** The Jobs of those of the Leases that are in force and of this session. */
  leasedJobs(sessionName: string, leaseIds: readonly string[]): Promise<readonly LeasedJob[]>;
}

/** What keeps the store in order. Every method is one atomic change. */
export interface StoreUpkeep {
  /** The bots whose sessions are open. */
  bots(): Promise<readonly Bot[]>;

  /** Ends the sessions whose deadline has passed; their Leases are lost. Returns how many. */
  expireSessions(): Promise<number>;

  /** Gives every open session at least so much time from now: bots could not reach a server that was down. */
  extendSessions(keepaliveMs: number): Promise<void>;

  /** The platforms that waiting Jobs ask for. */
  queuedPlatforms(): Promise<readonly string[]>;

  /** Ends the Jobs of a platform that have waited for `waitedMs` or longer. Returns how many. */
  failQueued(platformKey: string, waitedMs: number, response: Uint8Array): Promise<number>;

  /** Forgets what is over for longer than `retentionMs`. Returns how many Operations. */
  prune(retentionMs: number): Promise<number>;
}

/** What {@link WatchStore.cancelUnwatched} has done. */
export interface UnwatchedEnd {
  /** How many Operations it has cancelled. */
  readonly cancelled: number;
  /** Whether there are more. */
  readonly hasMore: boolean;
}

/** Which Operations clients watch, on all controllers. Every method is one atomic change. */
export interface WatchStore {
  /** From now on these are watched for so long; they are cancelled after that. */
  extend(operationIds: readonly string[], forMs: number): Promise<void>;

  /** The same for all that are to be cancelled some time, unless they have longer. */
  extendAll(forMs: number): Promise<void>;

  /** Cancels Operations whose time is over, as {@link OperationStore.cancel} does. */
  cancelUnwatched(): Promise<UnwatchedEnd>;
}

/** Where Jobs, Operations, Leases and BotSessions live: all of it outlives the process, and has one set of rules. */
export interface JobStore {
  readonly operations: OperationStore;
  readonly sessions: SessionStore;
  readonly upkeep: StoreUpkeep;
  readonly watches: WatchStore;
  /** Tells of every change that was made through a store of the same database. */
  readonly events: JobEvents;
}
