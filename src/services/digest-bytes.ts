import { Digest } from '../digest/digest.js';
import { type DigestFunction, digestFunctions } from '../digest/digest-function.js';

// How digests look in encoded messages, for those who read requests without making objects of them.

/** Fields of `Digest`: number and wire type. */
export const digestTags = { hash: 0x0a, sizeBytes: 0x10 } as const;

/** The digest that is all there is from `start` to `end`; `undefined` if it is not as it mostly is. */
export function digestBetween(request: Buffer, start: number, end: number, functionValue: number): Digest | undefined {
  const hexLength = request[start + 1] ?? 0;
  const fn = functionOf(functionValue, hexLength);
  const hashEnd = start + 2 + hexLength;
  if (request[start] !== digestTags.hash || fn?.hexLength !== hexLength || hashEnd > end) return undefined;
  const sizeBytes = sizeBetween(request, hashEnd, end);
  return sizeBytes === undefined ? undefined : Digest.at(request, start + 2, sizeBytes, fn);
}

/** DIG-4: what is not said is inferred from the length of the hash. */
export function functionOf(value: number, hexLength: number): DigestFunction | undefined {
  for (const each of digestFunctions) {
    const isMeant =
      value === 0 ? !each.isNamedInResources && each.hexLength === hexLength : (each.value as number) === value;
    if (isMeant) return each;
  }
  return undefined;
}

/** Whether it is the same in every encoding. */
export function isPlain(text: string): boolean {
  return text === '' || /^[\x20-\x7e]*$/.test(text);
}

/** The size that is all there is from `start` to `end`: left out, or encoded in the one way that is usual. */
export function sizeBetween(request: Buffer, start: number, end: number): number | undefined {
  if (start === end) return 0;
  if (request[start] !== digestTags.sizeBytes) return undefined;
  let size = 0;
  let unit = 1;
  for (let index = start + 1; index < end; index += 1) {
    const byte = request[index] ?? 0;
    size += (byte & 0x7f) * unit;
    unit *= 0x80;
    const isLast = byte < 0x80;
    // A last byte of 0 says nothing, except in a size of 0, which is left out.
    if (isLast !== (index === end - 1) || byte === 0) return undefined;
  }
  return size > 0 && Number.isSafeInteger(size) ? size : undefined;
}
