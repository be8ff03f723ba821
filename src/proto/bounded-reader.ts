import protobuf from 'protobufjs/light.js';

/**
 * Two bytes are enough for a message within a message, which takes a hundred and more in memory: this many fields, and no
 * more, are decoded of one message (U4). What is well-formed has some five of them in a hundred bytes.
 */
export const maxFields = 2_000_000;

/** Shorter messages cannot have too many fields. */
const minBytes = 2 * maxFields;

/** A reader for {@link protobuf.Type.decode} that throws at the field too many, whichever message within it has it. */
export function boundedReader(bytes: Uint8Array): protobuf.Reader | Uint8Array {
  if (bytes.length < minBytes) return bytes;
  const reader = protobuf.Reader.create(bytes);
  let fields = 0;
  const readTag = reader.tag.bind(reader);
  reader.tag = () => {
    fields += 1;
    if (fields > maxFields) throw new RangeError(`The message has more than ${maxFields} fields`);
    return readTag();
  };
  return reader;
}
