import type { Clock } from '../common/clock.js';
import { StatusError } from '../common/status-error.js';
import type { JobEvent } from './job-events.js';
import type { Operation } from './job-store.js';
import { Stage } from './stage.js';
import { Waker } from './waker.js';

/** What {@link OperationWatchers} depend on. */
export interface OperationWatchersOptions {
  readonly clock: Clock;
  /** A stream that has had nothing to say for so long repeats its state: proxies cut off what is silent. */
  readonly repeatMs: number;
  /** The state of an Operation now. Throws NOT_FOUND. */
  load(operation: Operation): Promise<Operation>;
}

/** The streams that follow Operations. */
export class OperationWatchers {
  readonly #options: OperationWatchersOptions;
  readonly #byJob = new Map<string, Set<Watcher>>();

  constructor(options: OperationWatchersOptions) {
    this.#options = options;
  }

  /** Passes an event on to those who follow its Job. */
  tell({ jobId, stage }: Extract<JobEvent, { type: 'stage' }>): void {
    for (const watcher of this.#byJob.get(jobId) ?? []) watcher.tell(stage);
  }

  /** Yields the state of an Operation, each change of its stage, and the end (EX-1). Throws when `signal` aborts. */
  async *follow(operation: Operation, signal: AbortSignal): AsyncGenerator<Operation, void, undefined> {
    const { clock, repeatMs } = this.#options;
    using watcher = this.#join(operation.jobId);
    // Read again: of what happened before we joined nobody tells us.
    let current = await this.#options.load(operation);
    yield current;
    while (current.stage !== Stage.Completed) {
      const stages = await watcher.next(clock, repeatMs, signal);
      if (signal.aborted) throw StatusError.from(signal.reason);
      for (const stage of stages) {
        if (stage === current.stage || stage === Stage.Completed) continue;
        current = { ...current, stage };
        yield current;
      }
      const isQuiet = stages.length === 0;
      if (!isQuiet && !stages.includes(Stage.Completed)) continue;
      const latest = await this.#options.load(operation);
      if (isQuiet || latest.stage !== current.stage) yield latest;
      current = latest;
    }
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
