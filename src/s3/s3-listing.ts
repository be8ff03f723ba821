import type { ListObjectsV2CommandOutput, _Object } from '@aws-sdk/client-s3';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { S3Connection } from './s3-connection.js';

/** An object as a listing names it. */
export interface S3ListedObject {
  readonly key: string;
  readonly sizeBytes: number;
  readonly modifiedAtMs: number;
}

/** Goes through the objects of buckets, in the order of their keys. */
export class S3Listing {
  readonly #connection: S3Connection;

  constructor(connection: S3Connection) {
    this.#connection = connection;
  }

  /** Names all objects of a bucket; what is stored meanwhile may be named or not. Throws UNAVAILABLE if there is none. */
  async *list(bucket: string, signal?: AbortSignal): AsyncIterable<S3ListedObject> {
    let token: string | undefined;
    do {
      const page = await this.#page(bucket, token, signal);
      for (const object of page.Contents ?? []) yield listed(object);
      token = page.IsTruncated === true ? page.NextContinuationToken : undefined;
    } while (token !== undefined);
  }

  async #page(
    bucket: string,
    token: string | undefined,
    signal: AbortSignal | undefined,
  ): Promise<ListObjectsV2CommandOutput> {
    const input = { Bucket: bucket, ...(token !== undefined && { ContinuationToken: token }) };
    const page = await this.#connection.request(
      'Listing objects',
      (s3, options) => s3.listObjectsV2(input, options),
      signal,
    );
    if (page) return page;
    throw new StatusError(
      Code.Unavailable,
      `Listing objects failed: ${this.#connection.service} has no bucket ${JSON.stringify(bucket)}`,
    );
  }
}

function listed({ Key: key = '', Size: sizeBytes = 0, LastModified: modified }: _Object): S3ListedObject {
  return { key, sizeBytes, modifiedAtMs: modified?.getTime() ?? 0 };
}
