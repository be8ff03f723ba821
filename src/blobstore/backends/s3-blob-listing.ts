import { BucketTemplate } from '../../s3/bucket-template.js';
import type { S3Connection } from '../../s3/s3-connection.js';
import { S3Listing } from '../../s3/s3-listing.js';
import type { FoundBlob } from '../found-blob.js';
import { digestOfBuildGridKey } from './buildgrid-key.js';

/** Goes through the blobs that an `S3BlobStore` of the same buckets has. Other objects are passed over. */
export class S3BlobListing {
  readonly #listing: S3Listing;
  readonly #buckets: BucketTemplate;

  constructor(connection: S3Connection, bucket: string) {
    this.#listing = new S3Listing(connection);
    this.#buckets = new BucketTemplate(bucket);
  }

  /** Names each blob once. Throws FAILED_PRECONDITION where a template names too many buckets. */
  async *list(signal?: AbortSignal): AsyncIterable<FoundBlob> {
    for (const bucket of this.#buckets.buckets()) {
      for await (const { key, sizeBytes, modifiedAtMs } of this.#listing.list(bucket, signal)) {
        const digest = digestOfBuildGridKey(key);
        const isOurs = digest?.sizeBytes === sizeBytes && this.#buckets.bucketFor(digest.hash) === bucket;
        if (digest && isOurs) yield { digest, modifiedAtMs };
      }
    }
  }
}
