import type { Clock } from '../../common/clock.js';
import type { reapi } from '../../proto/index.js';
import { secondsAndNanosOf } from '../../proto/timestamp.js';

/** The moments that a worker notes (EX-14), in the order in which they pass. */
export type Moment =
  | 'workerStart'
  | 'inputFetchStart'
  | 'inputFetchCompleted'
  | 'executionStart'
  | 'executionCompleted'
  | 'outputUploadStart'
  | 'outputUploadCompleted'
  | 'workerCompleted';

/** Notes when the parts of an execution happened. Times never decrease, even if the clock is set back meanwhile. */
export class ExecutionTimeline {
  readonly #clock: Clock;
  readonly #moments = new Map<Moment, number>();
  #latestMs = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** It is now. */
  mark(moment: Moment): void {
    this.#latestMs = Math.max(this.#latestMs, this.#clock.now());
    this.#moments.set(moment, this.#latestMs);
  }

  /** What has been noted so far; the rest stays unset. */
  metadata(worker: string): reapi.ExecutedActionMetadata.$Properties {
    const timestamps = [...this.#moments].map(([moment, ms]) => [`${moment}Timestamp`, secondsAndNanosOf(ms)]);
    const start = this.#moments.get('executionStart');
    const end = this.#moments.get('executionCompleted');
    return {
      worker,
      ...(Object.fromEntries(timestamps) as Partial<
        Record<`${Moment}Timestamp`, ReturnType<typeof secondsAndNanosOf>>
      >),
      ...(start !== undefined && end !== undefined && { virtualExecutionDuration: secondsAndNanosOf(end - start) }),
    };
  }
}
