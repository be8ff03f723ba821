import type { DeleteObjectsCommandOutput } from '@aws-sdk/client-s3';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { S3Connection } from './s3-connection.js';
import type { S3Metadata, S3Object, S3Place } from './s3-object.js';

/** As many keys as one request may delete. */
const maxKeysOfDelete = 1_000;

/** Whole objects of an S3 service. An absent one is no error; everything else is a StatusError. */
export class S3Objects {
  readonly #connection: S3Connection;

  constructor(connection: S3Connection) {
    this.#connection = connection;
  }

  /** How long an object is; `undefined` if there is none. */
  async sizeOf({ bucket, key }: S3Place, signal?: AbortSignal): Promise<number | undefined> {
    const answer = await this.#connection.request(
      'Looking for an object',
      (s3, options) => s3.headObject({ Bucket: bucket, Key: key }, options),
      signal,
    );
    return answer && (answer.ContentLength ?? 0);
  }

  /** Reads a small object as a whole. */
  async get({ bucket, key }: S3Place, signal?: AbortSignal): Promise<S3Object | undefined> {
    return this.#connection.request(
      'Reading an object',
      async (s3, options) => {
        const { Body, Metadata = {} } = await s3.getObject({ Bucket: bucket, Key: key }, options);
        return { bytes: Buffer.from((await Body?.transformToByteArray()) ?? []), metadata: Metadata };
      },
      signal,
    );
  }

  /** Stores an object in place of any other, with its metadata. Durable when it resolves. */
  async put(place: S3Place, bytes: Uint8Array, metadata: S3Metadata = {}, signal?: AbortSignal): Promise<void> {
    const { bucket, key } = place;
    const input = { Bucket: bucket, Key: key, Body: bytes, ContentLength: bytes.length, Metadata: { ...metadata } };
    const answer = await this.#connection.request(
      'Storing an object',
      (s3, options) => s3.putObject(input, options),
      signal,
    );
    if (!answer) throw this.#noBucket(bucket);
  }

  /** Forgets objects of one bucket, as many as a request takes at a time. */
  async delete(bucket: string, keys: readonly string[], signal?: AbortSignal): Promise<void> {
    for (let start = 0; start < keys.length; start += maxKeysOfDelete) {
      const batch = keys.slice(start, start + maxKeysOfDelete);
      const answer = await this.#connection.request(
        'Deleting objects',
        (s3, options) => {
          const Objects = batch.map((Key) => ({ Key }));
          return s3.deleteObjects({ Bucket: bucket, Delete: { Objects, Quiet: true } }, options);
        },
        signal,
      );
      this.#checkDeleted(answer);
    }
  }

  /** A request that deletes many is answered with 200 whatever became of each. */
  #checkDeleted(answer: DeleteObjectsCommandOutput | undefined): void {
    const failed = answer?.Errors?.find(({ Code: code }) => code !== 'NoSuchKey');
    if (!failed) return;
    const text = `${failed.Code ?? 'Error'}: ${failed.Message ?? 'no message'}`;
    throw new StatusError(Code.Unavailable, `Deleting objects failed: ${this.#connection.service} answered (${text})`);
  }

  #noBucket(bucket: string): StatusError {
    const text = `Storing an object failed: ${this.#connection.service} has no bucket ${JSON.stringify(bucket)}`;
    return new StatusError(Code.Unavailable, `${text}; create it`);
  }
}
