import type { DigestFunction } from '../../digest/digest-function.js';

/** What is no digit has a bit that four digits have not. */
const notADigit = 0x1_00_00;

/** Values of hexadecimal digits by their ASCII codes; upper-case ones are none. */
const digits = Int32Array.from({ length: 256 }, (_, code) => {
  const value = '0123456789abcdef'.indexOf(String.fromCharCode(code));
  return value < 0 ? notADigit : value;
});

/** Words of the longest hash, that of SHA-512. */
const maxWords = 16;

/**
 * A raw hash as words of 32 bits, to look it up with. It is filled anew for each look-up, so that none makes an object;
 * whoever fills it uses it before anybody else can.
 */
export class BlobKey {
  readonly words = new Int32Array(maxWords);

  /** Reads the hash that stands in `text` from `start` on, in lower-case ASCII. Returns whether it is one. */
  readText({ hexLength }: DigestFunction, text: Uint8Array, start: number): boolean {
    if (start + hexLength > text.length) return false;
    let all = 0;
    for (let index = 0, at = start; index < hexLength / 8; index += 1, at += 8) {
      const high = fourDigits(text, at);
      const low = fourDigits(text, at + 4);
      all |= high | low;
      this.words[index] = (high << 16) | low;
    }
    return all < notADigit;
  }

  /** Reads a hash in lower-case hex that is known to be one. */
  readHash(hash: string): void {
    for (let index = 0; index < hash.length / 8; index += 1) {
      let word = 0;
      for (let at = index * 8; at < index * 8 + 8; at += 1) word = (word << 4) | (digits[hash.charCodeAt(at)] ?? 0);
      this.words[index] = word;
    }
  }

  /** Reads the raw hash that begins at `start` of `bytes`. */
  readRaw({ hexLength }: DigestFunction, bytes: Uint8Array, start: number): void {
    for (let index = 0, at = start; index < hexLength / 8; index += 1, at += 4) {
      const high = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
      this.words[index] = (high << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0);
    }
  }
}

/** Written out: this is where FindMissingBlobs spends its time. */
function fourDigits(text: Uint8Array, at: number): number {
  const first = ((digits[text[at] ?? 0] ?? 0) << 12) | ((digits[text[at + 1] ?? 0] ?? 0) << 8);
  return first | ((digits[text[at + 2] ?? 0] ?? 0) << 4) | (digits[text[at + 3] ?? 0] ?? 0);
}
