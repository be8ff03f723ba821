import { addAbortListener } from 'node:events';
import type { Clock } from '../common/clock.js';
import { Code, codeName } from '../common/code.js';
import { Lifecycle } from '../common/lifecycle.js';
import type { Logger } from '../common/logger.js';
import { StatusError } from '../common/status-error.js';
import { rwapi } from '../proto/index.js';
import type { ActionExecutor } from './action-executor.js';
import type { Bots } from './bots.js';
import { LeaseSlot } from './lease-slot.js';
import { Pacer } from './pacer.js';

/** What a {@link BotSessionLoop} works with. */
export interface BotSessionOptions {
  readonly bots: Bots;
  readonly executor: ActionExecutor;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The instance to work for. */
  readonly parent: string;
  /** Unique among all bots of the server; a second session with it ends the first (RW-1). */
  readonly botId: string;
  readonly worker: rwapi.Worker.$Properties;
  /** Is told when the first session is there. */
  readonly onConnected?: () => void;
  /** A source of jitter in [0, 1). @defaultValue Math.random */
  readonly random?: () => number;
}

/** The two ways to end a bot. Neither is a failure. */
export interface StopSignals {
  /** Take no more leases, finish the one at hand, report it, leave. */
  readonly drain: AbortSignal;
  /** Stop the command at hand, give its lease back, leave. */
  readonly cancel: AbortSignal;
}

/** How long calls may take. The server ends a long poll a second earlier; a busy session reports every 20 s (RW-4). */
const deadlinesMs = { create: 10_000, idle: 30_000, busy: 21_000, farewell: 3_000 };

/** A bot that wants to leave tries so long to deliver its last report; then the server repeats the job elsewhere. */
const lastReportPatienceMs = 30_000;

/** RW-2: only these say that the session is gone. */
const sessionLost: ReadonlySet<Code> = new Set([Code.InvalidArgument, Code.NotFound]);

/** What a first attempt to register is not repeated after: the bot is set up wrongly. */
const refused: ReadonlySet<Code> = new Set([
  ...sessionLost,
  Code.PermissionDenied,
  Code.Unauthenticated,
  Code.Unimplemented,
]);

/**
 * Keeps one BotSession alive and works off its leases, one at a time. While the server cannot be reached, session and
 * work go on; only when it says that the session is gone is the work stopped and a new session created.
 */
export class BotSessionLoop {
  readonly #options: BotSessionOptions;
  readonly #slot: LeaseSlot;
  readonly #pacer: Pacer;
  #sessionName: string | undefined;
  #lastReport: string | undefined;
  #wasConnected = false;
  #hasLeft = false;
  /** Since when the last report of a bot that wants to leave cannot be delivered. */
  #stuckSinceMs: number | undefined;
  /** Cuts short whatever the loop waits for, when there is something to report. */
  #interruption = new AbortController();

  constructor(options: BotSessionOptions) {
    this.#options = options;
    this.#pacer = new Pacer(options);
    const { executor, logger } = options;
    this.#slot = new LeaseSlot({ executor, logger, onChange: () => this.#interruption.abort() });
  }

  /** Runs until it is stopped and has nothing left to report. Rejects only if the server refuses the first session. */
  async run(stop: StopSignals): Promise<void> {
    const interrupt = (): void => this.#interruption.abort();
    await using lifecycle = new Lifecycle();
    for (const signal of [stop.drain, stop.cancel]) lifecycle.use(addAbortListener(signal, interrupt));
    while (!this.#hasLeft && !(isStopping(stop) && this.#sessionName === undefined)) {
      if (stop.cancel.aborted) await this.#stopWork();
      this.#interruption = new AbortController();
      await this.#step(stop, this.#interruption.signal);
    }
    await this.#slot.settled();
  }

  async #step(stop: StopSignals, interruption: AbortSignal): Promise<void> {
    const startedAt = this.#options.clock.now();
    const deadlineMs = this.#deadlineMs(stop);
    try {
      const isNews =
        this.#sessionName === undefined
          ? await this.#create(deadlineMs, interruption)
          : await this.#update(this.#sessionName, { stop, deadlineMs }, interruption);
      this.#succeeded();
      await this.#pacer.afterAnswer(startedAt, isNews, interruption);
    } catch (reason) {
      if (interruption.aborted) return;
      const isPoll = this.#sessionName !== undefined && this.#options.clock.now() - startedAt >= deadlineMs;
      await this.#failed(StatusError.from(reason), { stop, isPoll }, interruption);
    }
  }

  #deadlineMs(stop: StopSignals): number {
    if (this.#sessionName === undefined) return deadlinesMs.create;
    if (this.#slot.isActive) return deadlinesMs.busy;
    return isStopping(stop) ? deadlinesMs.farewell : deadlinesMs.idle;
  }

  /** The answer may carry work already. */
  async #create(deadlineMs: number, signal: AbortSignal): Promise<boolean> {
    const { bots, parent, botId, worker } = this.#options;
    const botSession = { botId, worker, status: rwapi.BotStatus.OK };
    const created = await bots.createBotSession({ parent, botSession }, { deadlineMs }, signal);
    this.#sessionName = created.name;
    this.#lastReport = undefined;
    this.#slot.reconcile(created.leases, { accepts: true });
    return true;
  }

  /** Tells all, and takes in the answer. Returns whether either had something new. */
  async #update(
    name: string,
    { stop, deadlineMs }: { readonly stop: StopSignals; readonly deadlineMs: number },
    signal: AbortSignal,
  ): Promise<boolean> {
    const { bots, botId, worker } = this.#options;
    const isLeaving = isStopping(stop);
    const { BOT_TERMINATING, OK } = rwapi.BotStatus;
    const leases = this.#slot.report();
    const status = isLeaving ? BOT_TERMINATING : OK;
    const request = { name, botSession: { name, botId, worker, status, leases } };
    const updated = await bots.updateBotSession(request, { deadlineMs, holdBusy: true }, signal);
    this.#slot.reconcile(updated.leases, { accepts: !isStopping(stop) });
    this.#hasLeft = isLeaving && (this.#slot.isEmpty || stop.cancel.aborted);
    return this.#isNews(keyOf(status, leases), keyOf(status, this.#slot.report()));
  }

  #isNews(sent: string, next: string): boolean {
    const isNew = sent !== this.#lastReport || next !== sent;
    this.#lastReport = sent;
    return isNew;
  }

  #succeeded(): void {
    const { logger, botId, onConnected } = this.#options;
    if (!this.#wasConnected) onConnected?.();
    else if (this.#pacer.isFailing) logger.info({ botId }, 'Server answers again');
    this.#wasConnected = true;
    this.#pacer.succeeded();
  }

  async #failed(
    error: StatusError,
    { stop, isPoll }: { readonly stop: StopSignals; readonly isPoll: boolean },
    interruption: AbortSignal,
  ): Promise<void> {
    if (!this.#wasConnected && refused.has(error.code)) throw error;
    if (isStopping(stop) && (stop.cancel.aborted || this.#slot.isEmpty || this.#isStuck())) {
      this.#hasLeft = true;
      return;
    }
    // DEADLINE_EXCEEDED of a poll means that there is nothing yet (RW-5).
    if (error.code === Code.DeadlineExceeded && isPoll) return;
    this.#log(error);
    if (sessionLost.has(error.code)) {
      this.#slot.abandon();
      this.#sessionName = undefined;
    }
    await this.#pacer.afterFailure(interruption);
  }

  #isStuck(): boolean {
    const now = this.#options.clock.now();
    this.#stuckSinceMs = this.#slot.isActive ? undefined : (this.#stuckSinceMs ?? now);
    return this.#stuckSinceMs !== undefined && now - this.#stuckSinceMs >= lastReportPatienceMs;
  }

  #log(error: StatusError): void {
    const { logger, botId } = this.#options;
    const fields = { botId, code: codeName(error.code), reason: error.message };
    if (sessionLost.has(error.code)) logger.warn(fields, 'Session has ended; a new one is created');
    else if (!this.#pacer.isFailing) logger.warn(fields, 'Server does not answer; trying again');
    else logger.debug(fields, 'Server still does not answer');
  }

  /** What was stopped by us is given back: UNAVAILABLE has the job repeated elsewhere (RW-10). */
  async #stopWork(): Promise<void> {
    this.#slot.stop(new StatusError(Code.Unavailable, 'The bot was stopped while it worked on the action'));
    await this.#slot.settled();
  }
}

// Asked through a function: TypeScript narrows the properties across awaits.
function isStopping({ drain, cancel }: StopSignals): boolean {
  return drain.aborted || cancel.aborted;
}

function keyOf(status: rwapi.BotStatus, leases: readonly rwapi.Lease.$Properties[]): string {
  return [status, ...leases.map(({ id, state }) => `${id ?? ''}:${state ?? 0}`)].join(' ');
}
