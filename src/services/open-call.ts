import { setMaxListeners } from 'node:events';
import type { StatusError } from '../common/status-error.js';
import { reapi } from '../proto/index.js';
import { headerNames } from '../proto/wire-names.js';
import type { CallContext } from './call-context.js';

/** What the adapter needs of a grpc-js call, whichever of the four kinds it is. */
export interface ServerCall {
  readonly metadata: { get(name: string): (string | Buffer)[] };
  getDeadline(): Date | number;
  getPath(): string;
  getPeer(): string;
  once(event: 'cancelled', listener: () => void): unknown;
}

/** A call under way: what its handler sees, and how it ends. What a handler does not ask for is never made. */
export class OpenCall implements CallContext {
  readonly #call: ServerCall;
  #controller: AbortController | undefined;
  #hooks: (() => void)[] = [];
  #abortReason: StatusError | undefined;
  #isSettled = false;

  constructor(call: ServerCall) {
    this.#call = call;
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      // Each blob of a batch listens to it.
      setMaxListeners(0, this.#controller.signal);
      if (this.#abortReason) this.#controller.abort(this.#abortReason);
    }
    return this.#controller.signal;
  }

  get deadlineMs(): number | undefined {
    const deadline = Number(this.#call.getDeadline());
    return Number.isFinite(deadline) ? deadline : undefined;
  }

  get path(): string {
    return this.#call.getPath();
  }

  get peer(): string {
    return this.#call.getPeer();
  }

  /** RM-1: optional, and ignored when it does not decode. */
  get requestMetadata(): reapi.RequestMetadata | undefined {
    const [header] = this.#call.metadata.get(headerNames.requestMetadata);
    if (!Buffer.isBuffer(header)) return undefined;
    try {
      return reapi.RequestMetadata.decode(header);
    } catch {
      return undefined;
    }
  }

  /** Whether the handler has settled. */
  get isSettled(): boolean {
    return this.#isSettled;
  }

  header(name: string): string | undefined {
    return this.#call.metadata.get(name)[0]?.toString();
  }

  onTermination(hook: () => void): void {
    if (this.#abortReason) hook();
    else this.#hooks.push(hook);
  }

  /** Aborts the signal of the handler; the first reason counts. */
  abort(reason: StatusError): void {
    this.#abortReason ??= reason;
    this.#controller?.abort(reason);
  }

  /** Runs the termination hooks that have not run yet: nothing of the call is left. */
  terminate(): void {
    const hooks = this.#hooks;
    if (hooks.length === 0) return;
    this.#hooks = [];
    for (const hook of hooks) hook();
  }

  /** Told when the handler has settled. */
  settle(): void {
    this.#isSettled = true;
  }
}
