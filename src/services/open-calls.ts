import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { OpenCall, type ServerCall } from './open-call.js';

/** Keeps account of the calls under way, so that a server can stop without cutting them off. */
export class OpenCalls {
  readonly #calls = new Set<OpenCall>();
  readonly #whenIdle: (() => void)[] = [];

  get count(): number {
    return this.#calls.size;
  }

  /** A call has just arrived. Whoever begins it tells its {@link settle}. */
  begin(call: ServerCall): OpenCall {
    const open = new OpenCall(call);
    this.#calls.add(open);
    call.once('cancelled', () => {
      // grpc-js reports the end of every call so, also of one that was answered.
      if (open.isSettled) return;
      open.abort(new StatusError(Code.Cancelled, 'The client cancelled the call, or its deadline passed'));
      open.terminate();
    });
    return open;
  }

  /** Told when the handler of a call has settled. */
  settle(open: OpenCall): void {
    this.#calls.delete(open);
    open.settle();
    if (this.#calls.size === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
  }

  /** Aborts the calls whose path satisfies `isConcerned`; their clients see `reason`. */
  abort(reason: StatusError, isConcerned: (path: string) => boolean = () => true): void {
    for (const open of this.#calls) if (isConcerned(open.path)) open.abort(reason);
  }

  /** Resolves when no handler is running. */
  idle(): Promise<void> {
    if (this.#calls.size === 0) return Promise.resolve();
    return new Promise((resolve) => void this.#whenIdle.push(resolve));
  }
}
