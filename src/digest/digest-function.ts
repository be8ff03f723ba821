import { createHash, hash as hashOnce } from 'node:crypto';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { reapi } from '../proto/index.js';
import { Blake3Hasher, loadBlake3 } from './blake3.js';

/** A hash that is fed in pieces. */
export interface Hasher {
  update(bytes: Uint8Array): void;

  /** The hash of everything fed so far, as lower-case hex. Ends this hasher. */
  digest(): string;
}

/** One of the protocol's digest functions: what hashes look like, and how to make them. */
export interface DigestFunction {
  /** The protocol's name, such as `SHA256`. */
  readonly name: string;
  /** The number in `DigestFunction.Value`. */
  readonly value: reapi.DigestFunction.Value;
  readonly hexLength: number;
  /** Names this function in keys, file names and printed digests, in lower case. */
  readonly segment: string;
  /** Whether ByteStream resource names carry {@link segment} (DIG-5); such a function is never inferred either. */
  readonly isNamedInResources: boolean;
  /** The hash of no bytes; known without {@link load}. */
  readonly emptyHash: string;

  /** Makes ready to hash; must have resolved before anything is hashed. Immediate for all functions but BLAKE3. */
  load(): Promise<void>;

  /** Whether `text` is a well-formed hash of this function (DIG-1). */
  hashes(text: string): boolean;

  /** The hash of bytes in memory, as lower-case hex. */
  hash(bytes: Uint8Array): string;

  createHasher(): Hasher;
}

const lowerHex = /^[0-9a-f]*$/;

function nodeFunction(name: string, value: reapi.DigestFunction.Value, hexLength: number): DigestFunction {
  const algorithm = name.toLowerCase();
  return {
    name,
    value,
    hexLength,
    segment: algorithm,
    isNamedInResources: false,
    emptyHash: hashOnce(algorithm, '', 'hex'),
    load: () => Promise.resolve(),
    hashes: (text) => text.length === hexLength && lowerHex.test(text),
    hash: (bytes) => hashOnce(algorithm, bytes, 'hex'),
    createHasher: () => {
      const hash = createHash(algorithm);
      return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest('hex') };
    },
  };
}

const { Value } = reapi.DigestFunction;

/** The default of the protocol and of `bgd`. */
export const SHA256 = nodeFunction('SHA256', Value.SHA256, 64);
export const SHA1 = nodeFunction('SHA1', Value.SHA1, 40);
export const SHA384 = nodeFunction('SHA384', Value.SHA384, 96);
export const SHA512 = nodeFunction('SHA512', Value.SHA512, 128);

/** Named wherever it is used, for a hash of 64 characters is taken for SHA-256 (DIG-4, DIG-5). */
export const BLAKE3: DigestFunction = {
  name: 'BLAKE3',
  value: Value.BLAKE3,
  hexLength: 64,
  segment: 'blake3',
  isNamedInResources: true,
  emptyHash: 'af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262',
  load: loadBlake3,
  hashes: (text) => text.length === 64 && lowerHex.test(text),
  hash: (bytes) => {
    const hasher = new Blake3Hasher();
    hasher.update(bytes);
    return hasher.digest();
  },
  createHasher: () => new Blake3Hasher(),
};

/** All functions that `bgd` offers, the default first, in the order in which they are announced. */
export const digestFunctions: readonly DigestFunction[] = [SHA256, SHA1, SHA384, SHA512, BLAKE3];

/** Makes all functions ready to hash; a server does so before it serves. */
export async function loadDigestFunctions(): Promise<void> {
  await Promise.all(digestFunctions.map((fn) => fn.load()));
}

/**
 * Returns the function that a request means. Unset (0) is inferred from the length of `sampleHash` (DIG-4), and is
 * SHA-256 when there is no hash to look at. Throws INVALID_ARGUMENT for a function that is not offered.
 */
export function digestFunctionOf(value: number | null | undefined, sampleHash?: string | null): DigestFunction {
  if (!value) {
    if (!sampleHash) return SHA256;
    const inferred = digestFunctions.find((fn) => !fn.isNamedInResources && fn.hexLength === sampleHash.length);
    if (inferred) return inferred;
    throw new StatusError(
      Code.InvalidArgument,
      `Digest hash ${JSON.stringify(sampleHash.slice(0, 140))} has ${sampleHash.length} characters, which fits none of ${offered()}`,
    );
  }
  const found = digestFunctions.find((fn) => (fn.value as number) === value);
  if (found) return found;
  const name = Value[value] ?? `number ${value}`;
  throw new StatusError(Code.InvalidArgument, `Digest function ${name} is not offered here; offered are ${offered()}`);
}

/** Returns the function whose {@link DigestFunction.segment} is `segment`. */
export function digestFunctionBySegment(segment: string): DigestFunction | undefined {
  return digestFunctions.find((fn) => fn.segment === segment);
}

function offered(): string {
  return digestFunctions.map((fn) => fn.name).join(', ');
}
