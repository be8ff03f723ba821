import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';

const digits = Array.from({ length: 16 }, (_, digit) => digit.toString(16));

/** 4,096 buckets. */
const maxListedDigits = 3;

/**
 * BuildGrid's way to spread blobs over buckets: a name in which `{digest[0]}` is a character of the hash and `{digest}`
 * all of it, such as `bucket-{digest[0]}{digest[1]}`. Most have none of these and mean one bucket.
 */
export class BucketTemplate {
  readonly #template: string;

  constructor(template: string) {
    this.#template = template;
  }

  /** The bucket of what has `hash`. An index beyond a short hash counts on from its start. */
  bucketFor(hash: string): string {
    return this.#template.replace(/\{digest(?:\[(\d+)\])?\}/g, (_, index?: string) =>
      index === undefined ? hash : hash.charAt(Number(index) % hash.length),
    );
  }

  /** Every bucket that the template may name. Throws FAILED_PRECONDITION if they are too many to be gone through. */
  buckets(): readonly string[] {
    const indexes = [...new Set([...this.#template.matchAll(/\{digest(?:\[(\d+)\])?\}/g)].map(([, index]) => index))];
    if (indexes.includes(undefined) || indexes.length > maxListedDigits) {
      const text = `The bucket template ${this.#template} names too many buckets to go through them`;
      throw new StatusError(Code.FailedPrecondition, text);
    }
    return indexes.reduce<readonly string[]>(
      (names, index = '') =>
        names.flatMap((name) => digits.map((digit) => name.replaceAll(`{digest[${index}]}`, digit))),
      [this.#template],
    );
  }
}
