import { addAbortListener, setMaxListeners } from 'node:events';

/** Calls back when `signal` aborts, at once if it has; disposing takes that back. */
export function onAbort(signal: AbortSignal, listener: () => void): Disposable {
  // Hundreds of calls share a signal: Node would take more than ten listeners for a leak, and say so on stderr.
  setMaxListeners(0, signal);
  return addAbortListener(signal, listener);
}
