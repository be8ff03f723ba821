/** Whether `hash` stands in `text`, which is ASCII, from `start` on. */
export function isHashAt(hash: string, text: Uint8Array, start: number): boolean {
  for (let index = 0; index < hash.length; index += 1) {
    if (text[start + index] !== hash.charCodeAt(index)) return false;
  }
  return true;
}

/** Whether `text` has `length` lower-case hexadecimal characters from `start` on, in ASCII (DIG-1). */
export function isLowerHexAt(text: Uint8Array, start: number, length: number): boolean {
  for (let index = start; index < start + length; index += 1) {
    const character = text[index] ?? 0;
    const isDigit = character >= 0x30 && character <= 0x39;
    if (!isDigit && (character < 0x61 || character > 0x66)) return false;
  }
  return true;
}
