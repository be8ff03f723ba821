/** Whether `hash` stands in `text`, which is ASCII, from `start` on. */
export function isHashAt(hash: string, text: Uint8Array, start: number): boolean {
  for (let index = 0; index < hash.length; index += 1) {
    if (text[start + index] !== hash.charCodeAt(index)) return false;
  }
  return true;
}

/** 0 for what may stand in a hash (DIG-1). */
const kinds = Uint8Array.from({ length: 256 }, (_, code) => Number(!/[0-9a-f]/.test(String.fromCharCode(code))));

/** Whether `text` has `length` lower-case hexadecimal characters from `start` on, in ASCII. */
export function isLowerHexAt(text: Uint8Array, start: number, length: number): boolean {
  let all = 0;
  for (let index = start; index < start + length; index += 1) all |= kinds[text[index] ?? 0] ?? 0;
  return all === 0;
}
