import type { Http2Session } from 'node:http2';

/**
 * Lets the calls on a connection finish that has been told to end (U1). Node asks the other side of such a connection
 * nothing any more and says that asking failed, for which grpc-js would cut off every call on it with its next
 * keepalive ping, long before the grace time is over.
 */
export function letCallsFinish(session: Http2Session): void {
  const ping = session.ping.bind(session) as (...parameters: readonly unknown[]) => boolean;
  const pingWhileOpen = (...parameters: readonly unknown[]): boolean => {
    if (!session.closed) return ping(...parameters);
    const answered = parameters.at(-1) as (failure: null, durationMs: number, payload: Buffer) => void;
    // As an answer would: not before this call has returned.
    setImmediate(answered, null, 0, Buffer.alloc(0));
    return true;
  };
  session.ping = pingWhileOpen;
}
