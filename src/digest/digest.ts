import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { SHA256, digestFunctionBySegment, digestFunctionOf, type DigestFunction } from './digest-function.js';
import { isHashAt, isLowerHexAt } from './hash-text.js';

/** The wire form, as decoded or as to be encoded. */
export interface DigestMessage {
  readonly hash?: string | null;
  readonly sizeBytes?: number | null;
}

/**
 * Identifies a blob by digest function, hash and size.
 *
 * Unlike the wire message it can hold no degenerate value: the hash is lower-case hex of its function's length, the
 * size a safe integer, and only the empty hash has size 0 (DIG-1 to DIG-3).
 */
export class Digest {
  readonly function: DigestFunction;
  readonly hash: string;
  readonly sizeBytes: number;
  #key: string | undefined;

  private constructor(fn: DigestFunction, hash: string, sizeBytes: number) {
    this.function = fn;
    this.hash = hash;
    this.sizeBytes = sizeBytes;
  }

  /** The digest of `content`. */
  static of(content: Uint8Array, fn: DigestFunction = SHA256): Digest {
    return new Digest(fn, fn.hash(content), content.length);
  }

  /** Checks the parts. Throws INVALID_ARGUMENT naming what was found and wanted. */
  static from(hash: string, sizeBytes: number, fn: DigestFunction = SHA256): Digest {
    if (!fn.hashes(hash)) {
      throw new StatusError(
        Code.InvalidArgument,
        `Digest hash ${JSON.stringify(hash.slice(0, 140))} is not ${fn.name}: ${fn.hexLength} lower-case hex characters are wanted`,
      );
    }
    if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) {
      throw new StatusError(Code.InvalidArgument, `Digest size ${sizeBytes} is out of range`);
    }
    if ((sizeBytes === 0) !== (hash === fn.emptyHash)) {
      throw new StatusError(Code.InvalidArgument, `Digest ${hash}/${sizeBytes} mixes the empty blob with another`);
    }
    return new Digest(fn, hash, sizeBytes);
  }

  /** The digest whose hash stands in ASCII in `text` from `start` on; `undefined` if the parts do not pass. */
  static at(text: Buffer, start: number, sizeBytes: number, fn: DigestFunction): Digest | undefined {
    const end = start + fn.hexLength;
    if (end > text.length || !Number.isSafeInteger(sizeBytes) || sizeBytes < 0) return undefined;
    if (!isLowerHexAt(text, start, fn.hexLength)) return undefined;
    if ((sizeBytes === 0) !== isHashAt(fn.emptyHash, text, start)) return undefined;
    return new Digest(fn, text.toString('latin1', start, end), sizeBytes);
  }

  /** Checks a wire message once, at the edge. Unset counts as malformed (DIG-3). */
  static fromProto(message: DigestMessage | null | undefined, fn: DigestFunction): Digest {
    if (!message) throw new StatusError(Code.InvalidArgument, 'A required digest is not set');
    return Digest.from(message.hash ?? '', message.sizeBytes ?? 0, fn);
  }

  /**
   * Reads what {@link toString} prints, with `/`, `-` or `_` between hash and size, and an optional `FUNCTION:` in front.
   * Without it the function is inferred from the length. Throws INVALID_ARGUMENT.
   */
  static parse(text: string): Digest {
    const parts = /^(?:(?<segment>[A-Za-z0-9]+):)?(?<hash>[0-9A-Za-z]+)[/_-](?<size>\d{1,16})$/.exec(
      text.trim(),
    )?.groups;
    const hash = parts?.['hash'];
    if (!parts || hash === undefined) {
      throw new StatusError(Code.InvalidArgument, `${JSON.stringify(text)} is not a digest: HASH/SIZE is wanted`);
    }
    const segment = parts['segment'];
    const fn = segment === undefined ? digestFunctionOf(0, hash) : digestFunctionBySegment(segment.toLowerCase());
    if (!fn) throw new StatusError(Code.InvalidArgument, `Digest function ${segment ?? ''} is not known`);
    return Digest.from(hash, Number(parts['size']), fn);
  }

  /** The digest of no bytes, which exists in every store without upload (DIG-6). */
  static empty(fn: DigestFunction = SHA256): Digest {
    return new Digest(fn, fn.emptyHash, 0);
  }

  get isEmpty(): boolean {
    return this.sizeBytes === 0;
  }

  /** A stable key for maps, file names and SQL: `FUNCTION/HASH-SIZE`. */
  get key(): string {
    return (this.#key ??= `${this.function.segment}/${this.hash}-${this.sizeBytes}`);
  }

  equals(other: Digest): boolean {
    return this.hash === other.hash && this.sizeBytes === other.sizeBytes && this.function === other.function;
  }

  toProto(): { hash: string; sizeBytes: number } {
    return { hash: this.hash, sizeBytes: this.sizeBytes };
  }

  /** `HASH/SIZE` for SHA-256, `FUNCTION:HASH/SIZE` for the others. */
  toString(): string {
    const text = `${this.hash}/${this.sizeBytes}`;
    return this.function === SHA256 ? text : `${this.function.segment}:${text}`;
  }

  /** So that log lines and `--json` show what a person would type. */
  toJSON(): string {
    return this.toString();
  }
}
