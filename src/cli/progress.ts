/** One line on a terminal that tells how far something has come, and is gone when it is done. Elsewhere it is silent. */
export class Progress implements Disposable {
  readonly #stream: NodeJS.WriteStream;
  readonly #now: () => number;
  #shownAt = -Infinity;
  #isShown = false;

  constructor(stream: NodeJS.WriteStream = process.stderr, now: () => number = () => performance.now()) {
    this.#stream = stream;
    this.#now = now;
  }

  /** Replaces the line. */
  show(text: string): void {
    if (!this.#stream.isTTY) return;
    this.#shownAt = this.#now();
    this.#isShown = true;
    this.#stream.write(`\r${eraseLine}${text.slice(0, Math.max(0, this.#stream.columns - 1))}`);
  }

  /** A listener that shows states as `present` words them, but not more often than a person can read. */
  showing<State>(present: (state: State) => string): (state: State) => void {
    return (state) => {
      if (this.#now() - this.#shownAt >= minIntervalMs) this.show(present(state));
    };
  }

  /** Writes a whole line that stays, above the one that changes. Also where there is no terminal. */
  say(text: string): void {
    this.clear();
    this.#stream.write(`${text}\n`);
  }

  /** Takes the line away, before something else is printed. */
  clear(): void {
    if (this.#isShown) this.#stream.write(`\r${eraseLine}`);
    this.#isShown = false;
    this.#shownAt = -Infinity;
  }

  [Symbol.dispose](): void {
    this.clear();
  }
}

const minIntervalMs = 100;
const eraseLine = '\u001B[2K';
