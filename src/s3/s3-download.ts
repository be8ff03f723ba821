import type { Readable } from 'node:stream';
import type { GetObjectCommandOutput } from '@aws-sdk/client-s3';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { S3Connection } from './s3-connection.js';
import { CutBodyError, isBeyondEnd, isMissing } from './s3-errors.js';
import type { S3Place } from './s3-object.js';

/** Which bytes of an object are wanted, and how long it is as a whole. */
export interface S3Range {
  readonly offset: number;
  readonly length: number;
  /** An object of another length is not the one that is meant. */
  readonly totalBytes: number;
}

/** Streams objects. A body that is cut is read on from where it ended, so that a reader gets all of it or an error. */
export class S3Download {
  readonly #connection: S3Connection;

  constructor(connection: S3Connection) {
    this.#connection = connection;
  }

  /** Throws NOT_FOUND on the first pull if there is no such object of that length. */
  async *read(place: S3Place, range: S3Range, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const end = range.offset + range.length;
    const backOff = this.#connection.backOff();
    for (let position = range.offset; position < end;) {
      try {
        const body = await this.#open(place, { ...range, offset: position, length: end - position }, signal);
        for await (const chunk of body) {
          if (position + chunk.length > end) throw new CutBodyError(position + chunk.length, end);
          position += chunk.length;
          backOff.reset();
          yield chunk;
        }
        if (position < end) throw new CutBodyError(position, end);
      } catch (reason) {
        if (reason instanceof StatusError) throw reason;
        await backOff.pause(reason, signal).catch((last: unknown) => {
          throw this.#connection.failure(last, 'Reading an object', signal);
        });
      }
    }
  }

  async #open(place: S3Place, range: S3Range, signal?: AbortSignal): Promise<AsyncIterable<Uint8Array>> {
    const { offset, length, totalBytes } = range;
    signal?.throwIfAborted();
    const input = { Bucket: place.bucket, Key: place.key, Range: `bytes=${offset}-${offset + length - 1}` };
    try {
      const answer = await this.#connection.client.getObject(input, signal ? { abortSignal: signal } : {});
      if (totalOf(answer) !== totalBytes) await this.#checkLength(place, totalBytes, answer, signal);
      return answer.Body as Readable;
    } catch (reason) {
      if (isMissing(reason)) throw notFound(place);
      if (!isBeyondEnd(reason)) throw reason;
      await this.#checkLength(place, totalBytes, undefined, signal);
      throw reason;
    }
  }

  /** An answer of the wrong length may be the fault of what stands between; the object's own length decides. */
  async #checkLength(
    place: S3Place,
    totalBytes: number,
    answer: GetObjectCommandOutput | undefined,
    signal?: AbortSignal,
  ): Promise<void> {
    (answer?.Body as Readable | undefined)?.destroy();
    const input = { Bucket: place.bucket, Key: place.key };
    const found = await this.#connection.client
      .headObject(input, signal ? { abortSignal: signal } : {})
      .catch((reason: unknown) => {
        throw isMissing(reason) ? notFound(place) : reason;
      });
    if (found.ContentLength !== totalBytes) throw notFound(place);
    throw new CutBodyError(totalOf(answer) ?? 0, totalBytes);
  }
}

/** The length of the whole object, as an answer to a ranged request tells it; `undefined` if it has no range. */
function totalOf(answer: GetObjectCommandOutput | undefined): number | undefined {
  const total = /\/(\d+)$/.exec(answer?.ContentRange ?? '')?.[1];
  return total === undefined ? undefined : Number(total);
}

function notFound({ bucket, key }: S3Place): StatusError {
  return new StatusError(
    Code.NotFound,
    `There is no such object ${JSON.stringify(key)} in bucket ${JSON.stringify(bucket)}`,
  );
}
