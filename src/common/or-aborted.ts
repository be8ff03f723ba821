import { StatusError } from './status-error.js';
import { onAbort } from './on-abort.js';

/** Settles as `promise` does, or rejects with the signal's reason as soon as it aborts. What `promise` does goes on. */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const listener = onAbort(signal, () => reject(StatusError.from(signal.reason)));
    void promise.then(resolve, reject).finally(() => listener[Symbol.dispose]());
  });
}
