import { createHash } from 'node:crypto';
import { Code } from '../../common/code.js';
import { StatusError } from '../../common/status-error.js';

/** The weakest first, with the bytes of their hashes. */
const algorithms = new Map([
  ['sha256', 32],
  ['sha384', 48],
  ['sha512', 64],
]);

/** What is left to be done of a check while content flows by. */
export interface IntegrityCheck {
  update(bytes: Uint8Array): void;

  /** Whether everything together has one of the hashes that are allowed. */
  isMet(): boolean;
}

/** A checksum as web pages write it: `sha256-BASE64`, or several of them; of the strongest kind one has to be right. */
export class SubresourceIntegrity {
  readonly #algorithm: string;
  readonly #hashes: readonly string[];

  private constructor(algorithm: string, hashes: readonly string[]) {
    this.#algorithm = algorithm;
    this.#hashes = hashes;
  }

  /** Throws INVALID_ARGUMENT for a text that has no checksum of a kind that is known here. */
  static parse(text: string): SubresourceIntegrity {
    const parts = text.trim().split(/\s+/).flatMap(hashIn);
    const strongest = [...algorithms.keys()].findLast((name) => parts.some(({ algorithm }) => algorithm === name));
    if (strongest === undefined) {
      const known = [...algorithms.keys()].join(', ');
      throw new StatusError(
        Code.InvalidArgument,
        `checksum.sri ${JSON.stringify(text)} is not understood: one of ${known} is wanted, as sha256-BASE64`,
      );
    }
    const chosen = parts.filter(({ algorithm }) => algorithm === strongest);
    return new SubresourceIntegrity(
      strongest,
      chosen.map(({ hash }) => hash),
    );
  }

  begin(): IntegrityCheck {
    const hash = createHash(this.#algorithm);
    return { update: (bytes) => void hash.update(bytes), isMet: () => this.#hashes.includes(hash.digest('hex')) };
  }
}

/** Nothing for a hash of a kind that is not known, or that cannot be one. */
function hashIn(part: string): readonly { readonly algorithm: string; readonly hash: string }[] {
  const { algorithm = '', base64 = '' } =
    /^(?<algorithm>\w+)-(?<base64>[A-Za-z0-9+/]+={0,2})(?:\?.*)?$/.exec(part)?.groups ?? {};
  const bytes = Buffer.from(base64, 'base64');
  return bytes.length === algorithms.get(algorithm) ? [{ algorithm, hash: bytes.toString('hex') }] : [];
}
