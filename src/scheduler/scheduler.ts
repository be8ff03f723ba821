import type { ActionCache } from '../actioncache/action-cache.js';
import { systemClock, type Clock } from '../common/clock.js';
import { Code } from '../common/code.js';
import type { Logger } from '../common/logger.js';
import { StatusError } from '../common/status-error.js';
import type { Digest } from '../digest/digest.js';
import type { reapi } from '../proto/index.js';
import { affinityKeyOf } from './affinity.js';
import { Audience } from './audience.js';
import { BotSessions } from './bot-sessions.js';
import { encodeResponse } from './execute-responses.js';
import { Housekeeper } from './housekeeper.js';
import type { JobEvent } from './job-events.js';
import type { InspectableJobStore } from './job-inspection.js';
import { JobInspector } from './job-inspector.js';
import type { NewOperation, Operation } from './job-store.js';
import { LeaseJudge } from './lease-judge.js';
import { parseOperationFilter } from './operation-filter.js';
import { pageOf, pageSizeOf, startOfPage, type OperationListRequest, type OperationPage } from './operation-pages.js';
import type { OperationReference } from './operation-reference.js';
import { OperationWatchers, type WatchedOperation } from './operation-watchers.js';
import { builtInPropertyKeys, checkKnownNames, checkOneOsFamily, checkPlatformSize } from './platform-check.js';
import { platformKeyOf, type Platform } from './platform.js';
import { QueueExplainer } from './queue-explainer.js';
import { resolveSchedulerOptions, type SchedulerOptions } from './scheduler-options.js';
import { WaitingBots } from './waiting-bots.js';

/** What a {@link Scheduler} depends on. */
export interface SchedulerPorts {
  readonly store: InspectableJobStore;
  /** Where results are looked up first and kept. @defaultValue nothing is cached */
  readonly actionCache?: ActionCache;
  /** @defaultValue the machine's */
  readonly clock?: Clock;
  readonly logger: Logger;
}

/** An Action that a client wants executed. Its blobs are there, and it is well-formed. */
export interface ExecutionRequest {
  readonly actionDigest: Digest;
  readonly platform: Platform;
  readonly priority: number;
  /** `undefined` is the worker's default. */
  readonly timeoutMs: number | undefined;
  readonly doNotCache: boolean;
  readonly skipCacheLookup: boolean;
  /** For the hint which bot knows its files. */
  readonly inputRootDigest?: Digest;
  readonly operation: NewOperation;
}

/**
 * Has Actions executed: the rules of Jobs, Operations, Leases and BotSessions, over a {@link JobStore}. What it has told
 * anybody is in the store already, so that it may be killed at any moment.
 */
export class Scheduler implements AsyncDisposable {
  /** The bots' side. */
  readonly bots: BotSessions;
  /** The side of those who look after it. */
  readonly inspector: JobInspector;
  readonly #ports: SchedulerPorts;
  readonly #clock: Clock;
  readonly #options: Required<SchedulerOptions>;
  readonly #watchers: OperationWatchers;
  readonly #audience: Audience;
  readonly #waiting: WaitingBots;
  readonly #stopping = new AbortController();
  #subscription: Disposable | undefined;
  #upkeep: Promise<void> | undefined;
  readonly #housekeeper: Housekeeper;

  constructor(ports: SchedulerPorts, options: SchedulerOptions = {}) {
    const { store, actionCache, clock = systemClock, logger } = ports;
    this.#ports = ports;
    this.#clock = clock;
    this.#options = resolveSchedulerOptions(options);
    this.#waiting = new WaitingBots(clock);
    const explainer = new QueueExplainer({ upkeep: store.upkeep, clock });
    this.#watchers = new OperationWatchers({
      clock,
      repeatMs: this.#options.repeatMs,
      load: (operation) => this.#load(operation),
      explain: (platformKey) => explainer.explain(platformKey),
    });
    const judge = new LeaseJudge({ actionCache, cacheFailedActions: this.#options.cacheFailedActions, logger });
    this.#audience = new Audience({ ...this.#options, store, clock });
    this.#housekeeper = new Housekeeper({
      ...this.#options,
      store,
      clock,
      logger,
      audience: this.#audience,
      offer: (platformKey) => this.#waiting.offer(platformKey),
      lookAgain: () => this.#watchers.lookAgain(),
    });
    this.inspector = new JobInspector({ inspection: store.inspection, find: (reference) => this.#load(reference) });
    this.bots = new BotSessions({ store, judge, waiting: this.#waiting, clock, options: this.#options });
  }

  /** Begins to look after the store. Bots that no controller could hear until now get a new deadline. */
  async start(): Promise<void> {
    const { events } = this.#ports.store;
    this.#subscription = events.subscribe((event) => this.#react(event));
    if (events.wasAlone) await this.#housekeeper.extendSessions();
    this.#upkeep = this.#housekeeper.run(this.#stopping.signal);
  }

  /** Takes nothing new any more, and stops looking after the store, which stays open. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#upkeep;
    this.#subscription?.[Symbol.dispose]();
  }

  /**
   * Answers from the ActionCache, joins a Job in flight, or queues a new one. Durable when it resolves. Throws
   * INVALID_ARGUMENT or FAILED_PRECONDITION for what cannot be executed here, RESOURCE_EXHAUSTED when the queue is full,
   * UNAVAILABLE while stopping.
   */
  async execute(request: ExecutionRequest, signal?: AbortSignal): Promise<Operation> {
    if (this.#stopping.signal.aborted) throw new StatusError(Code.Unavailable, 'The server is stopping; try again');
    const { actionDigest, platform, priority, doNotCache, skipCacheLookup, operation } = request;
    this.#checkTimeout(request.timeoutMs);
    await this.#checkPlatform(platform);
    const isLookedUp = !doNotCache && !skipCacheLookup;
    const result = isLookedUp ? await this.#lookUp(actionDigest, signal) : undefined;
    const job = {
      actionDigest,
      priority,
      platformKey: platformKeyOf(platform),
      isCacheable: !doNotCache,
      isShared: isLookedUp,
      quarantineMs: this.#options.quarantineMs,
      affinityKey: affinityKeyOf({ targetId: operation.labels.targetId, inputRootDigest: request.inputRootDigest }),
      ...(result && { response: encodeResponse({ result, cachedResult: true }) }),
    };
    const watched = { ...operation, watchedForMs: this.#audience.patienceMs };
    const { operations } = this.#ports.store;
    return this.#watchers.read(() => operations.add(job, watched, this.#options.maxQueued));
  }

  /**
   * Yields an Operation's state, each change of its stage, and the end; the state again when it is quiet (EX-1), and why
   * it waits when no connected bot could take it.
   */
  watch(operation: Operation, signal: AbortSignal): AsyncGenerator<WatchedOperation, void, undefined> {
    return this.#audience.watch(operation.id, this.#watchers.follow(operation, signal));
  }

  /**
   * The state of an Operation, for a client that watches it so. Throws NOT_FOUND if it is unknown, forgotten or of another
   * instance (EX-4).
   */
  async find(reference: OperationReference): Promise<Operation> {
    const operation = await this.#watchers.read(() => this.#load(reference));
    this.#audience.note(operation.id);
    return operation;
  }

  /** One page of an instance's Operations, oldest first. Throws INVALID_ARGUMENT (OP-3). */
  async list(request: OperationListRequest): Promise<OperationPage> {
    const found = await this.#ports.store.operations.list({
      instanceName: request.instanceName,
      conditions: parseOperationFilter(request.filter),
      afterSeq: startOfPage(request),
      limit: pageSizeOf(request) + 1,
    });
    return pageOf(request, found);
  }

  /** Ends an Operation with CANCELLED, unless it is over (OP-4). Its Job goes on while others wait for it. */
  async cancel(reference: OperationReference): Promise<void> {
    await this.#load(reference);
    await this.#ports.store.operations.cancel(reference.id);
  }

  /** Forgets an Operation. Throws FAILED_PRECONDITION if it is still going on (OP-5). */
  async forget(reference: OperationReference): Promise<void> {
    await this.#load(reference);
    if (await this.#ports.store.operations.forget(reference.id)) return;
    throw new StatusError(
      Code.FailedPrecondition,
      `Operation ${JSON.stringify(reference.id)} is still going on: cancel it first, or wait`,
    );
  }

  async #load({ instanceName, id }: OperationReference): Promise<Operation> {
    const operation = await this.#ports.store.operations.find(id);
    if (operation?.instanceName === instanceName) return operation;
    throw new StatusError(
      Code.NotFound,
      `Operation ${JSON.stringify(id)} is not known in instance ${JSON.stringify(instanceName)}; finished ones are kept for ${this.#options.retentionMs / 3_600_000} h`,
    );
  }

  #react(event: JobEvent): void {
    switch (event.type) {
      case 'queued':
        void this.#offer(event);
        return;
      case 'stage':
        this.#watchers.tell(event);
        return;
      case 'session':
        this.#waiting.notify(event.sessionName);
        return;
      case 'gap':
        void this.#bridge(event);
    }
  }

  /** Events of others may have been missed. */
  async #bridge({ wasAlone }: Extract<JobEvent, { type: 'gap' }>): Promise<void> {
    if (wasAlone) await this.#housekeeper.extendSessions();
    this.#waiting.lookAgain();
    this.#watchers.lookAgain();
  }

  async #offer({ platformKey, delayMs, affinityKey }: Extract<JobEvent, { type: 'queued' }>): Promise<void> {
    const { signal } = this.#stopping;
    if (delayMs > 0) await this.#clock.sleep(delayMs, signal);
    if (!signal.aborted) this.#waiting.offer(platformKey, affinityKey);
  }

  /** EX table: refused, never clamped. */
  #checkTimeout(timeoutMs: number | undefined): void {
    const { maxExecutionTimeoutMs } = this.#options;
    if (timeoutMs === undefined || (timeoutMs >= 0 && timeoutMs <= maxExecutionTimeoutMs)) return;
    throw new StatusError(
      Code.InvalidArgument,
      `Action has the timeout ${timeoutMs / 1000} s: 0 to ${maxExecutionTimeoutMs / 1000} s is possible here`,
    );
  }

  async #checkPlatform(platform: Platform): Promise<void> {
    checkPlatformSize(platform);
    checkOneOsFamily(platform);
    const known = [...builtInPropertyKeys, ...this.#options.propertyKeys];
    if (platform.every(({ name }) => known.includes(name))) return;
    checkKnownNames(platform, known, await this.#ports.store.upkeep.bots());
  }

  /** A cache that is out of order is no reason not to execute. */
  async #lookUp(actionDigest: Digest, signal: AbortSignal | undefined): Promise<reapi.ActionResult | undefined> {
    const { actionCache, logger } = this.#ports;
    try {
      return await actionCache?.get(actionDigest, signal);
    } catch (err) {
      if (signal?.aborted) throw err;
      logger.warn({ err, action: String(actionDigest) }, 'Action cache not readable, executing instead');
      return undefined;
    }
  }
}
