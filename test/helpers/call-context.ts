import type { CallContext } from '../../src/services/call-context.js';

/** A context for calling a service's methods directly; `end()` runs the termination hooks. */
export function fakeCallContext(overrides: Partial<CallContext> = {}): CallContext & { end(): void } {
  const hooks: (() => void)[] = [];
  return {
    signal: new AbortController().signal,
    deadlineMs: undefined,
    path: '/test.Service/Method',
    peer: '127.0.0.1:1',
    requestMetadata: undefined,
    header: () => undefined,
    onTermination: (hook) => void hooks.push(hook),
    ...overrides,
    end: () => {
      for (const hook of hooks.splice(0)) hook();
    },
  };
}
