import type { CallContext } from './call-context.js';

/** An encoded message in parts, which are sent one behind the other. */
export interface RawMessage {
  readonly parts: readonly Uint8Array[];
  /** Called when the parts have left the process: nobody looks at their memory any more. Not if they never do. */
  readonly onSent?: () => void;
}

/** Answers an encoded request with an encoded response; at once if it can. */
export type RawUnaryMethod = (request: Buffer, context: CallContext) => Uint8Array | Promise<Uint8Array>;

/** Answers an encoded request with encoded responses. */
export type RawServerStreamMethod = (request: Buffer, context: CallContext) => AsyncIterable<RawMessage>;

/**
 * What a service has besides its methods, if some of them are called so often, or carry so much, that to make objects of
 * their messages is most of their work. Each stands in for the method of its name.
 */
export interface RawMethods {
  readonly raw: Readonly<Record<string, RawUnaryMethod | RawServerStreamMethod>>;
}

/** The raw method `name` of a service, if it has one. */
export function rawMethodOf(service: object, name: string): RawUnaryMethod | RawServerStreamMethod | undefined {
  return 'raw' in service ? (service as RawMethods).raw[name] : undefined;
}
