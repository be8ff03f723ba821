import { StatusError } from '../common/status-error.js';
import { StatementBatch } from './statement-batch.js';

/** What became of calls: an error is thrown to the one who called. */
export type Outcomes<Call, Outcome> = ReadonlyMap<Call, Outcome | StatusError>;

/**
 * Does together what calls of one kind want that come while the last ones are being done: one transaction, and a few
 * statements, for all of them.
 */
export class CallBatch<Call extends object, Outcome> {
  readonly #run: (calls: readonly Call[]) => Promise<Outcomes<Call, Outcome>>;
  readonly #batch: StatementBatch<Call, Outcomes<Call, Outcome>>;

  constructor(run: (calls: readonly Call[]) => Promise<Outcomes<Call, Outcome>>, maxCalls = 256) {
    this.#run = run;
    this.#batch = new StatementBatch((calls) => this.#attempt(calls), maxCalls);
  }

  /** Resolves to what became of a call when that is durable. */
  async run(call: Call): Promise<Outcome> {
    const outcomes = await this.#batch.run([call]);
    const outcome = outcomes.get(call);
    if (outcome instanceof StatusError) throw outcome;
    return outcome as Outcome;
  }

  /** The fault of one, such as a text that the database cannot hold, must not fail the others: each is tried by itself. */
  async #attempt(calls: readonly Call[]): Promise<Outcomes<Call, Outcome>> {
    try {
      return await this.#run(calls);
    } catch (reason) {
      if (reason instanceof StatusError || calls.length === 1) throw reason;
    }
    const outcomes = new Map<Call, Outcome | StatusError>();
    for (const call of calls) {
      const alone = await this.#run([call]).catch((reason: unknown) => StatusError.from(reason));
      outcomes.set(call, alone instanceof StatusError ? alone : (alone.get(call) as Outcome | StatusError));
    }
    return outcomes;
  }
}
