import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { Digest } from '../digest/digest.js';
import type { Hasher } from '../digest/digest-function.js';

/** The error for bytes that arrived but are not those of their digest (CL-5). */
export function damaged(digest: Digest, what = 'does not have the bytes of its digest'): StatusError {
  return new StatusError(Code.DataLoss, `Blob ${String(digest)} arrived damaged: it ${what}`);
}

/** Checks the bytes of a blob while they flow by. */
export class VerifiedBytes {
  readonly #digest: Digest;
  readonly #hasher: Hasher;
  #sizeBytes = 0;

  constructor(digest: Digest) {
    this.#digest = digest;
    this.#hasher = digest.function.createHasher();
  }

  /** Takes the next bytes. Throws DATA_LOSS before the last of a wrong blob are handed on. */
  add(bytes: Uint8Array): void {
    this.#hasher.update(bytes);
    this.#sizeBytes += bytes.length;
    if (this.#sizeBytes === this.#digest.sizeBytes && this.#hasher.digest() !== this.#digest.hash) {
      throw damaged(this.#digest);
    }
  }
}
