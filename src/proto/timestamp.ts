/** `google.protobuf.Timestamp` and `google.protobuf.Duration` as decoded, or as to be encoded. */
export interface SecondsAndNanos {
  readonly seconds?: number | null;
  readonly nanos?: number | null;
}

/** Milliseconds, since the epoch or in all, as a Timestamp or a Duration. */
export function secondsAndNanosOf(ms: number): { seconds: number; nanos: number } {
  const seconds = Math.floor(ms / 1000);
  return { seconds, nanos: Math.round((ms - seconds * 1000) * 1e6) };
}

/** The milliseconds of a Timestamp or a Duration; `undefined` if it is unset. */
export function millisecondsOf(message: SecondsAndNanos | null | undefined): number | undefined {
  if (!message) return undefined;
  return (message.seconds ?? 0) * 1000 + (message.nanos ?? 0) / 1e6;
}
