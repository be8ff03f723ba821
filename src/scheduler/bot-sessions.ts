import type { Clock } from '../common/clock.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { JobStore, NewSession, Session, SessionUpdate } from './job-store.js';
import { LeaseState, type LeaseReport } from './lease.js';
import type { LeaseJudge, ReportedLease, StoreInlined } from './lease-judge.js';
import type { SchedulerOptions } from './scheduler-options.js';
import type { WaitingBot } from './waiting-bot.js';
import type { WaitingBots } from './waiting-bots.js';

/** A bot that wants to work. */
export type SessionRequest = Omit<NewSession, 'keepaliveMs'>;

/** What a bot says in an update, and how long its call may be held. */
export interface UpdateRequest extends Omit<SessionUpdate, 'keepaliveMs' | 'reports'> {
  readonly reports: readonly ReportedLease[];
  /** Puts the bytes that a result carries where blobs live, and digests in their place. */
  readonly storeInlined: StoreInlined;
  /** When the bot gives up waiting for the answer; `undefined` if it does not say. */
  readonly deadlineMs: number | undefined;
  /** Whether it wants to be held although it is busy, as a bot does that breaks the call off to report (RW-5). */
  readonly holdsBusy: boolean;
}

/** What {@link BotSessions} depend on. */
export interface BotSessionsOptions {
  readonly store: JobStore;
  readonly judge: LeaseJudge;
  readonly waiting: WaitingBots;
  readonly clock: Clock;
  readonly options: Required<SchedulerOptions>;
}

/** A call that is held. */
interface Held {
  readonly bot: WaitingBot;
  readonly signal: AbortSignal;
}

/** An answer is on its way before the bot gives up. */
const answerMarginMs = 1_000;

/** The scheduler's other half: what bots ask of it. */
export class BotSessions {
  readonly #deps: BotSessionsOptions;
  /** The call under way of each session. A newer one ends it: a bot has one call at a time. */
  readonly #calls = new Map<string, AbortController>();

  constructor(deps: BotSessionsOptions) {
    this.#deps = deps;
  }

  /** Opens a session in place of the bot's last one (RW-1). It may have work at once, but is never held. */
  async create(request: SessionRequest, signal: AbortSignal): Promise<Session> {
    const { store, options } = this.#deps;
    const { keepaliveMs } = options;
    const session = await store.sessions.open({ ...request, keepaliveMs });
    if (!request.isAccepting) return session;
    const claimed = await store.sessions.claim(session.name, session.revision, keepaliveMs);
    if (signal.aborted) await this.#hangUp(session, signal);
    return claimed ?? session;
  }

  /**
   * Takes a bot's report, and answers at once if there is anything to say, else when there is, or before the bot's deadline
   * (RW-5). When `signal` aborts before that, the bot is given nothing and must come again soon.
   */
  async update(request: UpdateRequest, signal: AbortSignal): Promise<Session> {
    const { store, waiting, options } = this.#deps;
    using call = this.#begin(request.name, signal);
    // Before the update, so that no news is missed after it.
    using bot = waiting.join(request.name);
    const reports = await this.#judge(request);
    const { keepaliveMs } = options;
    const session = await store.sessions.update({ ...request, reports, keepaliveMs });
    const isIdle = session.leases.length === 0;
    if (isIdle ? !request.isAccepting : !canWait(session, request)) return session;
    const answer = await this.#hold(session, request, { bot, signal: call.signal });
    if (signal.aborted) await this.#hangUp(session, signal);
    return answer;
  }

  #begin(name: string, signal: AbortSignal): Disposable & { readonly signal: AbortSignal } {
    this.#calls.get(name)?.abort();
    const call = new AbortController();
    const abort = (): void => call.abort();
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    this.#calls.set(name, call);
    return {
      signal: call.signal,
      [Symbol.dispose]: () => {
        signal.removeEventListener('abort', abort);
        if (this.#calls.get(name) === call) this.#calls.delete(name);
      },
    };
  }

  /** Only who holds a Lease in force may end it; all other reports are left to the store, which ignores them (S5). */
  async #judge({ name, botId, reports, storeInlined }: UpdateRequest): Promise<LeaseReport[]> {
    const { store, judge } = this.#deps;
    const finished = reports.filter(({ state }) => state === LeaseState.Completed);
    if (finished.length === 0) return reports.map(({ id, state }) => ({ id, state }));
    const leased = await store.sessions.leasedJobs(
      name,
      finished.map(({ id }) => id),
    );
    const jobs = new Map(leased.map((job) => [job.leaseId, job]));
    return Promise.all(
      reports.map(async (report): Promise<LeaseReport> => {
        const { id, state } = report;
        const job = state === LeaseState.Completed ? jobs.get(id) : undefined;
        return { id, state, ...(job && { verdict: await judge.judge(report, { job, botId, storeInlined }) }) };
      }),
    );
  }

  async #hold(session: Session, request: UpdateRequest, { bot, signal }: Held): Promise<Session> {
    const { store, clock, options } = this.#deps;
    const { name, revision, isDrained, leases } = session;
    const { keepaliveMs } = options;
    const untilMs = this.#heldUntil(request);
    const isGone = (): boolean => signal.aborted;
    while (!isGone()) {
      // One that is drained would be woken in place of a bot that can take the Job.
      if (leases.length === 0 && !isDrained) {
        bot.look(request.offered, session.affinityKey);
        const claimed = await store.sessions.claim(name, revision, keepaliveMs);
        if (claimed) return claimed;
      }
      const leftMs = untilMs - clock.now();
      if (leftMs <= 0 || (await bot.wait(leftMs, signal)) === 'session') break;
    }
    if (isGone()) return session;
    return (await store.sessions.touch(name, revision, keepaliveMs)) ?? session;
  }

  /**
   * Without a deadline nobody could tell a held call from a lost one. A bot that has told a result is not held: until it
   * is answered it does not know that its report was taken, and could not leave.
   */
  #heldUntil({ deadlineMs, reports }: UpdateRequest): number {
    const { clock, options } = this.#deps;
    const { maxHoldMs, keepaliveMs } = options;
    const now = clock.now();
    if (deadlineMs === undefined || reports.some(({ state }) => state === LeaseState.Completed)) return now;
    return Math.min(deadlineMs - answerMarginMs, now + maxHoldMs, now + keepaliveMs / 2);
  }

  /** The bot does not get our answer. If it was the server that gave up, the bot is not to blame and keeps its deadline. */
  async #hangUp({ name, revision }: Session, signal: AbortSignal): Promise<never> {
    const { store, options } = this.#deps;
    const reason = StatusError.from(signal.reason);
    const { keepaliveMs, brokenCallKeepaliveMs } = options;
    const isOurs = reason.code === Code.Unavailable;
    await store.sessions.hangUp(name, revision, isOurs ? keepaliveMs : brokenCallKeepaliveMs);
    throw reason;
  }
}

/** Whether a busy bot has nothing to hear: it runs what it has, and was told so. */
function canWait({ leases }: Session, { holdsBusy }: UpdateRequest): boolean {
  return holdsBusy && leases.every(({ state, isReported }) => isReported && state !== LeaseState.Cancelled);
}
