/** Where an object is. */
export interface S3Place {
  readonly bucket: string;
  readonly key: string;
}

/** Metadata of a user, which travels with the object; names in lower case. */
export type S3Metadata = Readonly<Record<string, string>>;

/** A small object in memory. */
export interface S3Object {
  readonly bytes: Buffer;
  readonly metadata: S3Metadata;
}
