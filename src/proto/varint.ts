// Numbers as the wire has them, for those who read and write messages without making objects of them.

/** The number at `at`, below 2^53 and in as few bytes as it needs; infinite if it is not so. */
export function varintAt(bytes: Uint8Array, at: number): number {
  const first = bytes[at] ?? 0xff;
  if (first < 0x80) return first;
  let value = first & 0x7f;
  let unit = 0x80;
  for (let index = at + 1; index < at + 8; index += 1) {
    const byte = bytes[index] ?? 0xff;
    value += (byte & 0x7f) * unit;
    if (byte < 0x80) return byte > 0 && Number.isSafeInteger(value) ? value : Infinity;
    unit *= 0x80;
  }
  return Infinity;
}

/** How many bytes a number takes; 8 for an infinite one. */
export function varintBytes(value: number): number {
  let size = 1;
  for (let limit = 0x80; value >= limit && size < 8; limit *= 0x80) size += 1;
  return size;
}

/** Writes a number below 2^31. Returns where it ends. */
export function writeVarint(bytes: Uint8Array, at: number, value: number): number {
  let rest = value;
  let end = at;
  for (; rest > 0x7f; rest >>>= 7) bytes[end++] = rest | 0x80;
  bytes[end] = rest;
  return end + 1;
}
