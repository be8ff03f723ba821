import type { Clock } from '../../common/clock.js';
import type { ActionExecutor, ActionOutcome, ActionRequest } from '../action-executor.js';
import { ExecutionTimeline } from './execution-timeline.js';

/** What a {@link DummyExecutor} pretends. */
export interface DummyExecutorOptions {
  readonly clock: Clock;
  /** The name of the worker, for the metadata. */
  readonly worker: string;
  readonly exitCode: number;
  /** How long an action takes. */
  readonly durationMs: number;
}

/** Executes nothing: every action ends alike, without outputs, and without a look at what it is. */
export class DummyExecutor implements ActionExecutor {
  readonly #options: DummyExecutorOptions;

  constructor(options: DummyExecutorOptions) {
    this.#options = options;
  }

  async execute(_request: ActionRequest, signal: AbortSignal): Promise<ActionOutcome> {
    const { clock, worker, exitCode, durationMs } = this.#options;
    const timeline = new ExecutionTimeline(clock);
    timeline.mark('workerStart');
    timeline.mark('executionStart');
    if (durationMs > 0) await clock.sleep(durationMs, signal);
    signal.throwIfAborted();
    timeline.mark('executionCompleted');
    timeline.mark('workerCompleted');
    return { result: { exitCode, executionMetadata: timeline.metadata(worker) } };
  }
}
