/** The numbers of `google.rpc.Code`, so that the domain needs neither grpc-js nor generated code to name one. */
export const Code = {
  Ok: 0,
  Cancelled: 1,
  Unknown: 2,
  InvalidArgument: 3,
  DeadlineExceeded: 4,
  NotFound: 5,
  AlreadyExists: 6,
  PermissionDenied: 7,
  ResourceExhausted: 8,
  FailedPrecondition: 9,
  Aborted: 10,
  OutOfRange: 11,
  Unimplemented: 12,
  Internal: 13,
  Unavailable: 14,
  DataLoss: 15,
  Unauthenticated: 16,
} as const;

/** One of the numbers of {@link Code}. */
export type Code = (typeof Code)[keyof typeof Code];

const names = new Map<number, string>(
  Object.entries(Code).map(([name, code]) => [code, name.replace(/(?<=[a-z])(?=[A-Z])/g, '_').toUpperCase()]),
);

/** Returns the protocol's spelling, such as `NOT_FOUND`; a number that is no code comes back as `CODE_<n>`. */
export function codeName(code: number): string {
  return names.get(code) ?? `CODE_${code}`;
}

/** Returns `code` as a {@link Code}; a number that is none counts as UNKNOWN, as gRPC does. */
export function codeOf(code: number | null | undefined): Code {
  return names.has(code ?? 0) ? ((code ?? 0) as Code) : Code.Unknown;
}
