import type { Clock } from '../common/clock.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { JobEvent } from './job-events.js';
import type { Operation } from './job-store.js';
import { RecentStages } from './recent-stages.js';
import { Stage } from './stage.js';
import type { Unserved } from './unserved.js';
import { Waker } from './waker.js';

/** What {@link OperationWatchers} depend on. */
export interface OperationWatchersOptions {
  readonly clock: Clock;
  /** A stream that has had nothing to say for so long repeats its state: proxies cut off what is silent. */
  readonly repeatMs: number;
  /** The state of an Operation now. Throws NOT_FOUND. */
  load(operation: Operation): Promise<Operation>;
  /** Why no connected bot could take Jobs of a platform; `undefined` if one could. */
  explain(platformKey: string): Promise<Unserved | undefined>;
}

/** An Operation as those see it who follow it. */
export interface WatchedOperation extends Operation {
  /** Set while it is queued, has been for a while, and no connected bot could take it. */
  readonly unserved?: Unserved;
}

/** So long a Job may wait before its clients are told why: in time for those who tell people after 3 s. */
const explainAfterMs = 2_000;

/** After so long those look again who could not because the store was away. */
const awayMs = 1_000;

/** The streams that follow Operations. */
export class OperationWatchers {
  readonly #options: OperationWatchersOptions;
  readonly #byJob = new Map<string, Set<Watcher>>();
  /** Whether all will look again in a moment. */
  #willLook = false;
  readonly #recent = new RecentStages();
  /** When the Operations were read that somebody may be about to follow. */
  readonly #readAt = new WeakMap<Operation, number>();

  constructor(options: OperationWatchersOptions) {
    this.#options = options;
  }

  /** Reads an Operation, or makes one, so that whoever follows it need not read it again if nothing has happened. */
  async read(reading: () => Promise<Operation>): Promise<Operation> {
    const readAt = this.#recent.now();
    const operation = await reading();
    this.#readAt.set(operation, readAt);
    return operation;
  }

  /** Passes an event on to those who follow its Job. */
  tell({ jobId, stage }: Extract<JobEvent, { type: 'stage' }>): void {
    this.#recent.note(jobId);
    for (const watcher of this.#byJob.get(jobId) ?? []) watcher.tell(stage);
  }

  /** Events may have been missed: all look whether their Operation is over, at the same time, so that it is one statement. */
  lookAgain(): void {
    this.#recent.forget();
    for (const watchers of this.#byJob.values()) for (const watcher of watchers) watcher.tell(Stage.Completed);
  }

  /**
   * Yields the state of an Operation, each change of its stage, and the end (EX-1); and why it waits, when no connected bot
   * could take it. Throws when `signal` aborts.
   */
  async *follow(operation: Operation, signal: AbortSignal): AsyncGenerator<WatchedOperation, void, undefined> {
    const { clock, repeatMs } = this.#options;
    using watcher = this.#join(operation.jobId);
    // Of what happened before we joined nobody tells us.
    let current: WatchedOperation = this.#isFresh(operation) ? operation : await this.#options.load(operation);
    yield current;
    const silence = new Silence(clock, repeatMs, current.stage);
    while (current.stage !== Stage.Completed) {
      const stages = await watcher.next(clock, silence.leftMs, signal);
      if (signal.aborted) throw StatusError.from(signal.reason);
      for (const stage of stages) {
        if (stage === current.stage || stage === Stage.Completed) continue;
        current = { ...operation, stage };
        silence.begin(stage);
        yield current;
      }
      const latest = await this.#lookAgain(current, stages, silence);
      if (latest) yield latest;
      current = latest ?? current;
    }
  }

  /** The state after an end, or when it has been quiet for long enough; `undefined` if there is nothing to tell. */
  async #lookAgain(
    current: WatchedOperation,
    stages: readonly Stage[],
    silence: Silence,
  ): Promise<WatchedOperation | undefined> {
    if (stages.length > 0 && !stages.includes(Stage.Completed)) return undefined;
    if (stages.length > 0) return changed(current, await this.#latest(current));
    // What is quiet is only repeated: of what was missed a gap or the next sweep tells all at once.
    const isRepeated = silence.isOver;
    silence.begin(current.stage, { isExplained: true });
    const unserved = current.stage === Stage.Queued ? await this.#unserved(current) : undefined;
    if (unserved) return { ...current, unserved };
    return isRepeated ? current : undefined;
  }

  /** The state now, or as it was while the store cannot be asked: who waits goes on, and looks again when it is back (U5). */
  async #latest(current: Operation): Promise<Operation> {
    const latest = await unlessAway(this.#options.load(current));
    if (!latest) void this.#lookSoon();
    return latest ?? current;
  }

  async #lookSoon(): Promise<void> {
    if (this.#willLook) return;
    this.#willLook = true;
    await this.#options.clock.sleep(awayMs);
    this.#willLook = false;
    this.lookAgain();
  }

  #unserved({ platformKey }: Operation): Promise<Unserved | undefined> {
    return unlessAway(this.#options.explain(platformKey));
  }

  /** Whether nothing has happened to an Operation since it was read. */
  #isFresh(operation: Operation): boolean {
    const readAt = this.#readAt.get(operation);
    return readAt !== undefined && this.#recent.isQuiet(operation.jobId, readAt);
  }

  #join(jobId: string): Watcher {
    const watchers = this.#byJob.get(jobId) ?? new Set();
    this.#byJob.set(jobId, watchers);
    const watcher = new Watcher(() => {
      watchers.delete(watcher);
      if (watchers.size === 0 && this.#byJob.get(jobId) === watchers) this.#byJob.delete(jobId);
    });
    watchers.add(watcher);
    return watcher;
  }
}

async function unlessAway<T>(asking: Promise<T>): Promise<T | undefined> {
  try {
    return await asking;
  } catch (reason) {
    if (StatusError.from(reason).code === Code.Unavailable) return undefined;
    throw reason;
  }
}

/** Of a job only one of the Operations may have ended. */
function changed(current: Operation, latest: Operation): Operation | undefined {
  return latest.stage === current.stage ? undefined : latest;
}

/** For how long a stream has had nothing to say. */
class Silence {
  readonly #clock: Clock;
  readonly #repeatMs: number;
  #sinceMs = 0;
  #isExplained = false;

  constructor(clock: Clock, repeatMs: number, stage: Stage) {
    this.#clock = clock;
    this.#repeatMs = repeatMs;
    this.begin(stage);
  }

  /** Something was said, or there was nothing to say after a look. */
  begin(stage: Stage, { isExplained = stage !== Stage.Queued } = {}): void {
    this.#sinceMs = this.#clock.now();
    this.#isExplained = isExplained;
  }

  /** When to look again. */
  get leftMs(): number {
    const patienceMs = this.#isExplained ? this.#repeatMs : Math.min(explainAfterMs, this.#repeatMs);
    return Math.max(0, this.#sinceMs + patienceMs - this.#clock.now());
  }

  get isOver(): boolean {
    return this.#clock.now() - this.#sinceMs >= this.#repeatMs;
  }
}

/** One stream, and the stages that it has not told of yet. */
class Watcher implements Disposable {
  readonly #leave: () => void;
  readonly #waker = new Waker();
  readonly #stages: Stage[] = [];

  constructor(leave: () => void) {
    this.#leave = leave;
  }

  tell(stage: Stage): void {
    this.#stages.push(stage);
    this.#waker.wake();
  }

  /** The stages since the last call; none if `ms` have passed without one. */
  async next(clock: Clock, ms: number, signal: AbortSignal): Promise<readonly Stage[]> {
    if (this.#stages.length === 0) await this.#waker.sleep(clock, ms, signal);
    return this.#stages.splice(0);
  }

  [Symbol.dispose](): void {
    this.#leave();
  }
}
