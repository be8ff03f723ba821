/** A field as it stands in an encoded message: its bytes if it has a length, its number if it is a varint. */
export interface WireField {
  readonly number: number;
  readonly bytes?: Uint8Array;
  readonly varint?: bigint;
}

/** The fields of an encoded message, in their order, whatever the message is. Fixed-size numbers come as bytes. */
export function fieldsOf(message: Uint8Array): WireField[] {
  const fields: WireField[] = [];
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[at++];
      if (byte === undefined) throw new RangeError('The message is cut off');
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
  };
  const bytes = (length: number): Uint8Array => message.subarray(at, (at += length));
  const fixedSizes: Readonly<Record<number, number>> = { 1: 8, 5: 4 };
  while (at < message.length) {
    const tag = Number(varint());
    const [number, type] = [tag >>> 3, tag & 7];
    if (type === 0) fields.push({ number, varint: varint() });
    else fields.push({ number, bytes: bytes(fixedSizes[type] ?? Number(varint())) });
  }
  return fields;
}
