/** What a {@link GroupCommit} does with the database. */
export interface TransactionControl {
  begin(): Promise<void>;
  commit(): Promise<void>;
  /** Gives up the transaction, also one that the database has ended by itself. Never rejects. */
  rollback(): Promise<void>;
  savepoint(): Promise<void>;
  /** Keeps what came after the savepoint. */
  release(): Promise<void>;
  /** Undoes what came after the savepoint. Rejects if the database has ended the transaction by itself. */
  undo(): Promise<void>;
}

interface Change {
  run(): Promise<void>;
  settle(): void;
  fail(reason: unknown): void;
}

/** So that the first of a group does not wait for ever while others keep coming. */
const maxGroup = 256;

/**
 * Lets changes that arrive while another transaction runs share the next one: the disk is waited for once for all of
 * them. Each is atomic for itself; its promise resolves when the shared transaction is durable.
 */
export class GroupCommit {
  readonly #control: TransactionControl;
  readonly #waiting: Change[] = [];
  readonly #reading: (() => Promise<void>)[] = [];
  #running: Promise<void> | undefined;

  constructor(control: TransactionControl) {
    this.#control = control;
  }

  /** Runs `change` in a transaction. It must await nothing but statements: everybody waits for it. */
  run<T>(change: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      let outcome: T | undefined;
      this.#waiting.push({
        run: async () => void (outcome = await change()),
        settle: () => resolve(outcome as T),
        fail: reject,
      });
      this.#running ??= this.#drain();
    });
  }

  /** Runs `task`, which changes nothing, between two transactions: what it sees is durable. */
  read<T>(task: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#reading.push(() => task().then(resolve, reject));
      this.#running ??= this.#drain();
    });
  }

  /** Resolves when nothing is running or waiting. */
  async idle(): Promise<void> {
    while (this.#running) await this.#running;
  }

  async #drain(): Promise<void> {
    do {
      // Whatever else arrives in this turn belongs to the same group: what the last one has brought about, too.
      await new Promise((resolve) => setImmediate(resolve));
      for (const read of this.#reading.splice(0)) await read();
      const group = this.#waiting.splice(0, maxGroup);
      if (group.length > 0) await this.#commit(group);
    } while (this.#waiting.length + this.#reading.length > 0);
    this.#running = undefined;
  }

  async #commit(group: readonly Change[]): Promise<void> {
    const done: Change[] = [];
    try {
      await this.#control.begin();
      const [only, ...others] = group;
      if (only && others.length === 0) {
        await only.run();
        done.push(only);
      } else {
        for (const change of group) if (await this.#attempt(change)) done.push(change);
      }
      await this.#control.commit();
    } catch (reason) {
      await this.#control.rollback();
      for (const change of group) change.fail(reason);
      return;
    }
    for (const change of done) change.settle();
  }

  /** A change that fails by itself is undone and told so at once; a transaction that is broken fails for all. */
  async #attempt(change: Change): Promise<boolean> {
    await this.#control.savepoint();
    try {
      await change.run();
    } catch (reason) {
      await this.#control.undo().catch(() => {
        throw reason;
      });
      change.fail(reason);
      return false;
    }
    await this.#control.release();
    return true;
  }
}
