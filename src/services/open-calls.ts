import { setMaxListeners } from 'node:events';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
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

/** A call under way: what its handler sees, and how it ends. */
export interface OpenCall {
  readonly context: CallContext;
  /** Told when the handler has settled: runs the termination hooks that have not run yet. */
  settle(): void;
}

/** Keeps account of the calls under way, so that a server can stop without cutting them off. */
export class OpenCalls {
  readonly #calls = new Map<OpenCall, AbortController>();
  readonly #whenIdle: (() => void)[] = [];

  get count(): number {
    return this.#calls.size;
  }

  /** Makes the context of a call that has just arrived. */
  begin(call: ServerCall): OpenCall {
    const controller = new AbortController();
    // Each blob of a batch listens to it.
    setMaxListeners(0, controller.signal);
    const hooks: (() => void)[] = [];
    const runHooks = (): void => {
      for (const hook of hooks.splice(0)) hook();
    };
    const open: OpenCall = {
      context: contextOf(call, controller.signal, hooks),
      settle: () => {
        runHooks();
        this.#calls.delete(open);
        if (this.#calls.size === 0) for (const resolve of this.#whenIdle.splice(0)) resolve();
      },
    };
    this.#calls.set(open, controller);
    call.once('cancelled', () => {
      controller.abort(new StatusError(Code.Cancelled, 'The client cancelled the call, or its deadline passed'));
      runHooks();
    });
    return open;
  }

  /** Aborts the calls whose path satisfies `isConcerned`; their clients see `reason`. */
  abort(reason: StatusError, isConcerned: (path: string) => boolean = () => true): void {
    for (const [open, controller] of this.#calls) if (isConcerned(open.context.path)) controller.abort(reason);
  }

  /** Resolves when no handler is running. */
  idle(): Promise<void> {
    if (this.#calls.size === 0) return Promise.resolve();
    return new Promise((resolve) => void this.#whenIdle.push(resolve));
  }
}

function contextOf(call: ServerCall, signal: AbortSignal, hooks: (() => void)[]): CallContext {
  const deadline = Number(call.getDeadline());
  return {
    signal,
    deadlineMs: Number.isFinite(deadline) ? deadline : undefined,
    path: call.getPath(),
    peer: call.getPeer(),
    requestMetadata: requestMetadataOf(call),
    header: (name) => call.metadata.get(name)[0]?.toString(),
    onTermination: (hook) => {
      if (signal.aborted) hook();
      else hooks.push(hook);
    },
  };
}

/** RM-1: optional, and ignored when it does not decode. */
function requestMetadataOf(call: ServerCall): reapi.RequestMetadata | undefined {
  const [header] = call.metadata.get(headerNames.requestMetadata);
  if (!Buffer.isBuffer(header)) return undefined;
  try {
    return reapi.RequestMetadata.decode(header);
  } catch {
    return undefined;
  }
}
