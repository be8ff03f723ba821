import type { ActionCache } from '../../src/actioncache/action-cache.js';
import { KeyedActionCache } from '../../src/actioncache/keyed-action-cache.js';
import { Lifecycle } from '../../src/common/lifecycle.js';
import { MemoryKeyedStore } from '../../src/keyedstore/backends/memory-keyed-store.js';
import { reapi } from '../../src/proto/index.js';
import type { UpdateRequest } from '../../src/scheduler/bot-sessions.js';
import type { InspectableJobStore } from '../../src/scheduler/job-inspection.js';
import type { Operation, Session } from '../../src/scheduler/job-store.js';
import type { ReportedLease } from '../../src/scheduler/lease-judge.js';
import { LeaseState } from '../../src/scheduler/lease.js';
import type { OfferedProperties } from '../../src/scheduler/platform.js';
import type { SchedulerOptions } from '../../src/scheduler/scheduler-options.js';
import { Scheduler, type ExecutionRequest } from '../../src/scheduler/scheduler.js';
import { FakeClock } from './fake-clock.js';
import { actionNamed, newOperation, offering } from './jobs.js';
import { openJobStore } from './open-job-store.js';
import { RecordingLogger } from './recording-logger.js';

/** What a bench is made with. */
export interface SchedulerBenchOptions extends SchedulerOptions {
  /** @defaultValue in memory */
  readonly path?: string;
  readonly actionCache?: ActionCache;
  readonly clock?: FakeClock;
}

/** A started scheduler over a real store, on a clock that stands still. */
export class SchedulerBench implements AsyncDisposable {
  readonly scheduler: Scheduler;
  readonly store: InspectableJobStore;
  readonly actionCache: ActionCache;
  readonly clock: FakeClock;
  readonly logger = new RecordingLogger();
  readonly #lifecycle: Lifecycle;

  private constructor(
    parts: { store: InspectableJobStore; actionCache: ActionCache; clock: FakeClock; lifecycle: Lifecycle },
    options: SchedulerOptions,
  ) {
    ({ store: this.store, actionCache: this.actionCache, clock: this.clock, lifecycle: this.#lifecycle } = parts);
    const { store, actionCache, clock, logger } = this;
    this.scheduler = this.#lifecycle.use(new Scheduler({ store, actionCache, clock, logger }, options));
  }

  static async open({ path, ...options }: SchedulerBenchOptions = {}): Promise<SchedulerBench> {
    const { clock = new FakeClock() } = options;
    const { actionCache = new KeyedActionCache(new MemoryKeyedStore({ maxEntries: 100 })) } = options;
    const lifecycle = new Lifecycle();
    const { store } = lifecycle.use(await openJobStore(clock, path));
    const bench = new SchedulerBench({ store, actionCache, clock, lifecycle }, options);
    await bench.scheduler.start();
    return bench;
  }

  execute(action: string, overrides: Partial<ExecutionRequest> = {}, signal?: AbortSignal): Promise<Operation> {
    return this.scheduler.execute(
      {
        actionDigest: actionNamed(action),
        platform: [],
        priority: 0,
        timeoutMs: undefined,
        doNotCache: false,
        skipCacheLookup: false,
        operation: newOperation(),
        ...overrides,
      },
      signal,
    );
  }

  connect(botId: string, offered: OfferedProperties = offering({})): Promise<Session> {
    const { signal } = new AbortController();
    return this.scheduler.bots.create({ parent: 'main', botId, isAccepting: true, offered }, signal);
  }

  /** An update that is not held, unless a deadline is given. */
  update(
    { name }: Session,
    reports: readonly ReportedLease[],
    overrides: Partial<UpdateRequest> = {},
    signal: AbortSignal = new AbortController().signal,
  ): Promise<Session> {
    const request: UpdateRequest = {
      name,
      botId: 'bot',
      isAccepting: true,
      isLeaving: false,
      offered: offering({}),
      reports,
      storeInlined: async (result) => result,
      deadlineMs: undefined,
      holdsBusy: false,
      ...overrides,
    };
    return this.scheduler.bots.update(request, signal);
  }

  /** A bot takes the most urgent Job and ends it so. Returns what the last update answered. */
  async work(report: Partial<ReportedLease> = {}): Promise<Session> {
    const session = await this.connect('bot');
    const { id } = session.leases[0]!;
    await this.update(session, [running(id)]);
    return this.update(session, [finished(id, report)]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#lifecycle[Symbol.asyncDispose]();
  }
}

export function running(id: string): ReportedLease {
  return { id, state: LeaseState.Active, status: undefined, result: undefined };
}

/** A Lease that ended well with an empty result, unless something else is said. */
export function finished(id: string, overrides: Partial<ReportedLease> = {}): ReportedLease {
  const result = reapi.ActionResult.create({ exitCode: 0 });
  return { id, state: LeaseState.Completed, status: undefined, result, ...overrides };
}
