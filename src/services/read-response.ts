/** Field 10, `data`, of `google.bytestream.ReadResponse`, as bytes with a length. */
const dataTag = (10 << 3) | 2;

/** What stands before `length` bytes of data in an encoded `ReadResponse`. */
export function readResponseHead(length: number): Buffer {
  const head = [dataTag];
  let rest = length;
  for (; rest > 0x7f; rest >>>= 7) head.push((rest & 0x7f) | 0x80);
  return Buffer.from([...head, rest]);
}
