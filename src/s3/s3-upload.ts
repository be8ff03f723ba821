import { forEachConcurrently } from '../common/async-iteration.js';
import { Code } from '../common/code.js';
import { type Logger, silentLogger } from '../common/logger.js';
import { StatusError } from '../common/status-error.js';
import type { CompletedPart } from '@aws-sdk/client-s3';
import type { S3Connection } from './s3-connection.js';
import type { S3Place } from './s3-object.js';
import { isUploadGone } from './s3-errors.js';

/** Parts that are sent at once; a third may be filling up meanwhile. */
const maxParts = 2;

/** Uploads in parts. Nobody sees any of them until all are there, and a failed upload takes its parts back. */
export class S3Upload {
  readonly #connection: S3Connection;
  readonly #logger: Logger;

  constructor(connection: S3Connection, logger: Logger = silentLogger) {
    this.#connection = connection;
    this.#logger = logger;
  }

  /** Sends `parts`, each of at least 5 MiB but the last, 10,000 at the most. Durable when it resolves. */
  async send(place: S3Place, parts: AsyncIterable<Buffer>, signal?: AbortSignal): Promise<void> {
    const target = { Bucket: place.bucket, Key: place.key };
    const begun = await this.#connection.request(
      'Starting an upload',
      (s3, options) => s3.createMultipartUpload(target, options),
      signal,
    );
    const UploadId = begun?.UploadId;
    if (UploadId === undefined) {
      const text = `Starting an upload failed: ${this.#connection.service} began none in bucket`;
      throw new StatusError(Code.Unavailable, `${text} ${JSON.stringify(place.bucket)}; check that it is there`);
    }
    const upload = { ...target, UploadId };
    try {
      await this.#complete(upload, await this.#sendParts(upload, parts, signal), signal);
    } catch (reason) {
      await this.#abort(upload);
      throw reason;
    }
  }

  async #sendParts(upload: Upload, parts: AsyncIterable<Buffer>, signal?: AbortSignal): Promise<CompletedPart[]> {
    const sent: CompletedPart[] = [];
    await forEachConcurrently(numbered(parts), maxParts, async ([PartNumber, bytes]) => {
      const answer = await this.#connection.request(
        'Uploading a part',
        (s3, options) => s3.uploadPart({ ...upload, PartNumber, Body: bytes, ContentLength: bytes.length }, options),
        signal,
      );
      if (answer?.ETag === undefined) {
        throw new StatusError(Code.Unavailable, `Uploading a part failed: ${this.#connection.service} did not take it`);
      }
      sent[PartNumber - 1] = { PartNumber, ETag: answer.ETag };
    });
    return sent;
  }

  async #complete(upload: Upload, Parts: CompletedPart[], signal?: AbortSignal): Promise<void> {
    let attempts = 0;
    await this.#connection.request(
      'Completing an upload',
      async (s3, options) => {
        attempts += 1;
        try {
          await s3.completeMultipartUpload({ ...upload, MultipartUpload: { Parts } }, options);
        } catch (reason) {
          // The answer to an attempt before this one was lost, and the upload is complete.
          if (attempts === 1 || !isUploadGone(reason)) throw reason;
          await s3.headObject({ Bucket: upload.Bucket, Key: upload.Key }, options);
        }
        return true;
      },
      signal,
    );
  }

  /** Goes on although the caller's signal may have aborted: parts that stay behind cost money. */
  async #abort(upload: Upload): Promise<void> {
    try {
      await this.#connection.request('Aborting an upload', async (s3, options) => {
        await s3.abortMultipartUpload(upload, options).catch((reason: unknown) => {
          if (!isUploadGone(reason)) throw reason;
        });
        return true;
      });
    } catch (reason) {
      const fields = { bucket: upload.Bucket, key: upload.Key, reason: StatusError.from(reason).message };
      this.#logger.warn(
        fields,
        'The parts of a failed upload stay in the bucket until its lifecycle rules remove them',
      );
    }
  }
}

interface Upload {
  readonly Bucket: string;
  readonly Key: string;
  readonly UploadId: string;
}

async function* numbered(parts: AsyncIterable<Buffer>): AsyncIterable<readonly [number, Buffer]> {
  let number = 0;
  for await (const bytes of parts) {
    number += 1;
    yield [number, bytes];
  }
}
