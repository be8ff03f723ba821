import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { onAbort } from '../common/on-abort.js';

/** What {@link CallGuard} watches over. */
export interface CancellableCall {
  cancel(): void;
}

/** What makes a {@link CallGuard} cancel its call. */
export interface GuardOptions {
  /** Any of these aborts the call. */
  readonly signals: readonly (AbortSignal | undefined)[];
  /** How long the other side may be waited for at a time. @defaultValue no limit */
  readonly stallTimeoutMs?: number | undefined;
}

/** Cancels a call when its caller aborts, or when the other side is waited for too long. Disposing ends the watch. */
export class CallGuard implements Disposable {
  readonly #call: CancellableCall;
  readonly #stallTimeoutMs: number | undefined;
  readonly #listeners: readonly Disposable[];
  #timer: NodeJS.Timeout | undefined;
  #verdict: StatusError | undefined;

  constructor(call: CancellableCall, { signals, stallTimeoutMs }: GuardOptions) {
    this.#call = call;
    this.#stallTimeoutMs = stallTimeoutMs;
    this.#listeners = signals
      .filter((signal) => signal !== undefined)
      .map((signal) => onAbort(signal, () => this.#cancel(StatusError.from(signal.reason))));
  }

  /** Why the call was cancelled; `undefined` if it was not, or not from here. */
  get verdict(): StatusError | undefined {
    return this.#verdict;
  }

  /** The other side is waited for from now on. */
  waiting(): void {
    this.moved();
    const timeoutMs = this.#stallTimeoutMs;
    if (timeoutMs === undefined) return;
    const stalled = new StatusError(Code.DeadlineExceeded, `the server has not moved for ${timeoutMs / 1000} s`);
    this.#timer = setTimeout(() => this.#cancel(stalled), timeoutMs);
  }

  /** The other side has moved: it is this side's turn. */
  moved(): void {
    clearTimeout(this.#timer);
  }

  [Symbol.dispose](): void {
    clearTimeout(this.#timer);
    for (const listener of this.#listeners) listener[Symbol.dispose]();
  }

  #cancel(verdict: StatusError): void {
    this.#verdict ??= verdict;
    this.#call.cancel();
  }
}
