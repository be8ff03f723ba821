import type { ClientWritableStream } from '@grpc/grpc-js';
import type { CallGuard } from './call-guard.js';
import { orAborted } from '../common/or-aborted.js';

/** What ends or interrupts {@link sendAll}. */
export interface SendOptions {
  /** Told when the server does not read, and when it does again. */
  readonly guard: CallGuard;
  /** Settles when the server has answered, however. */
  readonly answer: Promise<unknown>;
}

/**
 * Writes `requests` as fast as the server reads them, and ends the stream after the last. Once there is an answer it
 * stops, whether or not anything is left. Rejects only if `requests` does.
 */
export async function sendAll<Request>(
  call: ClientWritableStream<Request>,
  requests: AsyncIterable<Request>,
  { guard, answer }: SendOptions,
): Promise<void> {
  const iterator = requests[Symbol.asyncIterator]();
  const answered = new AbortController();
  const stop = (): void => answered.abort();
  answer.then(stop, stop);
  const isAnswered = (): boolean => answered.signal.aborted;
  // Whoever awaits the answer learns of failures; here they would have no listener.
  call.on('error', () => undefined);
  try {
    while (!isAnswered()) {
      const next = await orAborted(iterator.next(), answered.signal);
      if (next.done === true) return void call.end();
      if (call.write(next.value)) continue;
      guard.waiting();
      await orAborted(new Promise((resolve) => call.once('drain', resolve)), answered.signal);
      guard.moved();
    }
  } catch (reason) {
    if (!isAnswered()) throw reason;
  } finally {
    // Not awaited: a source that waits for something of its own must not hold back the answer.
    iterator.return?.().catch(() => undefined);
  }
}
