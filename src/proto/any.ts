import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { boundedReader } from './bounded-reader.js';

/** What generated message classes have in common, as far as packing needs it. */
export interface MessageType<Message, Properties = Message> {
  encode(message: Properties): { finish(): Uint8Array };
  decode(bytes: ReturnType<typeof boundedReader>): Message;
}

/** `google.protobuf.Any` as decoded, or as to be encoded. The generator brings its own definition, in snake case. */
export interface AnyMessage {
  readonly type_url?: string | null;
  readonly value?: Uint8Array | null;
}

const prefix = 'type.googleapis.com/';

/** Packs `message` under its full name, such as `build.bazel.remote.execution.v2.Digest`. */
export function packAny<Properties>(
  fullName: string,
  type: MessageType<unknown, Properties>,
  message: Properties,
): { type_url: string; value: Uint8Array } {
  return { type_url: prefix + fullName, value: type.encode(message).finish() };
}

/** Whether `any` holds the message type `fullName`, whatever host its URL names. */
export function isAny(any: AnyMessage | null | undefined, fullName: string): boolean {
  const typeUrl = any?.type_url ?? '';
  return typeUrl.slice(typeUrl.lastIndexOf('/') + 1) === fullName;
}

/** Unpacks a message; `undefined` if `any` is unset or holds another type. Throws INVALID_ARGUMENT if it does not decode. */
export function unpackAny<Message>(
  fullName: string,
  type: MessageType<Message, never>,
  any: AnyMessage | null | undefined,
): Message | undefined {
  if (!isAny(any, fullName)) return undefined;
  return decodeMessage(fullName, type, any?.value ?? new Uint8Array());
}

/** Decodes bytes that came from outside, within bounds (U4). Throws INVALID_ARGUMENT naming what was expected. */
export function decodeMessage<Message>(what: string, type: MessageType<Message, never>, bytes: Uint8Array): Message {
  try {
    return type.decode(boundedReader(bytes));
  } catch (reason) {
    throw new StatusError(Code.InvalidArgument, `The ${bytes.length} bytes do not decode as ${what}`, {
      cause: reason,
    });
  }
}
