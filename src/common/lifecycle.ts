/** Closes what was opened, newest first, even when one of the closings fails. */
export class Lifecycle implements AsyncDisposable {
  readonly #closings: (() => unknown)[] = [];

  /** Hands `resource` over: it is closed with this lifecycle. Returns it. */
  use<T extends AsyncDisposable | Disposable>(resource: T): T {
    this.defer(() => (Symbol.asyncDispose in resource ? resource[Symbol.asyncDispose]() : resource[Symbol.dispose]()));
    return resource;
  }

  /** Runs `close` when this lifecycle ends. */
  defer(close: () => unknown): void {
    this.#closings.push(close);
  }

  /** Closes everything. Rejects with the first failure, after all the others were closed too. */
  async [Symbol.asyncDispose](): Promise<void> {
    const failures: unknown[] = [];
    for (let close = this.#closings.pop(); close; close = this.#closings.pop()) {
      try {
        await close();
      } catch (reason) {
        failures.push(reason);
      }
    }
    if (failures.length > 0) throw failures[0];
  }
}
