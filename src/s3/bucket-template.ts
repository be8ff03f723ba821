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
}
