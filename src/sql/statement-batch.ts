interface Waiting<Item, Outcome> {
  readonly items: readonly Item[];
  readonly resolve: (outcome: Outcome) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Makes one statement of the lists of many callers: those that come while one runs share the next. So the journeys to the
 * database, and the waits for its disk, do not grow with the number of callers.
 */
export class StatementBatch<Item, Outcome> {
  readonly #run: (items: readonly Item[]) => Promise<Outcome>;
  readonly #maxItems: number;
  readonly #waiting: Waiting<Item, Outcome>[] = [];
  #isRunning = false;

  /** `run` gets at most `maxItems`, but for a caller that alone brings more. */
  constructor(run: (items: readonly Item[]) => Promise<Outcome>, maxItems = 10_000) {
    this.#run = run;
    this.#maxItems = maxItems;
  }

  /** Resolves to what became of the items of all who shared the statement, these included. */
  run(items: readonly Item[]): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ items, resolve, reject });
      if (!this.#isRunning) void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#isRunning = true;
    // Whoever else comes in this turn belongs to the first batch, too.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const batch = this.#takeBatch();
      try {
        const outcome = await this.#run(batch.flatMap(({ items }) => items));
        for (const { resolve } of batch) resolve(outcome);
      } catch (reason) {
        for (const { reject } of batch) reject(reason);
      }
    }
    this.#isRunning = false;
  }

  #takeBatch(): readonly Waiting<Item, Outcome>[] {
    let count = 0;
    let end = 0;
    for (const { items } of this.#waiting) {
      count += items.length;
      if (end > 0 && count > this.#maxItems) break;
      end += 1;
    }
    return this.#waiting.splice(0, end);
  }
}
