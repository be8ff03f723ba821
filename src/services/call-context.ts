import type { reapi } from '../proto/index.js';

/** What a service knows of the call it answers, besides the request. */
export interface CallContext {
  /** Aborts when the client goes away, its deadline passes, or the server has waited long enough while stopping. */
  readonly signal: AbortSignal;
  /** When the client gives up, in milliseconds since the epoch; `undefined` if it waits for ever. */
  readonly deadlineMs: number | undefined;
  /** The full method path, such as `/google.bytestream.ByteStream/Read`. */
  readonly path: string;
  /** The client's address, for logs. */
  readonly peer: string;
  /** What the client says of itself (RM-1); untrusted, and absent when it does not decode. */
  readonly requestMetadata: reapi.RequestMetadata | undefined;

  /** The first value of a text header, by its lower-case name. */
  header(name: string): string | undefined;

  /** Runs `hook` once when the call ends, however it ends: answer taken, failed, client gone, deadline, server stop. */
  onTermination(hook: () => void): void;
}
