import { hash } from 'node:crypto';
import { type Clock, systemClock } from '../../common/clock.js';
import { BucketTemplate } from '../../s3/bucket-template.js';
import type { S3Connection } from '../../s3/s3-connection.js';
import type { S3Place } from '../../s3/s3-object.js';
import { S3Objects } from '../../s3/s3-objects.js';
import { checkKey } from '../check-key.js';
import type { KeyedStore, PutOptions } from '../keyed-store.js';

/** What {@link S3KeyedStore} is told. */
export interface S3KeyedStoreOptions {
  readonly connection: S3Connection;
  /** A bucket, or a {@link BucketTemplate} that is given the SHA-256 of each key. */
  readonly bucket: string;
  /** The name of the object for a key. @defaultValue the key below `keyed/`, or its hash where it makes no good name */
  readonly objectNameOf?: (key: string) => string;
  readonly clock?: Clock;
}

/** What an object's metadata says of its value. BuildGrid's objects have neither. */
const names = { expiry: 'expires-at-ms', checksum: 'sha256' };

/** Keys that name an object as they are: no trouble in URLs, no empty or dotted steps. */
const plainKey = /^(?!.*(?:^|\/)\.{0,2}(?:\/|$))[\w./-]{1,900}$/;

/**
 * Keeps each value as an object, its expiry and its hash as the object's metadata. Values that have expired or are damaged
 * count as absent; the bucket's lifecycle rules remove them.
 */
export class S3KeyedStore implements KeyedStore {
  readonly #objects: S3Objects;
  readonly #buckets: BucketTemplate;
  readonly #objectNameOf: (key: string) => string;
  readonly #clock: Clock;

  constructor({ connection, bucket, objectNameOf = defaultName, clock = systemClock }: S3KeyedStoreOptions) {
    this.#objects = new S3Objects(connection);
    this.#buckets = new BucketTemplate(bucket);
    this.#objectNameOf = objectNameOf;
    this.#clock = clock;
  }

  async get(key: string, signal?: AbortSignal): Promise<Buffer | undefined> {
    signal?.throwIfAborted();
    checkKey(key);
    const object = await this.#objects.get(this.#placeOf(key), signal);
    if (!object) return undefined;
    const { bytes, metadata } = object;
    const checksum = metadata[names.checksum];
    if (checksum !== undefined && checksum !== hash('sha256', bytes, 'hex')) return undefined;
    return Number(metadata[names.expiry] ?? Infinity) > this.#clock.now() ? bytes : undefined;
  }

  async put(key: string, value: Uint8Array, options: PutOptions = {}, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    checkKey(key);
    const { expiresAtMs } = options;
    const bytes = Buffer.from(value);
    const metadata = {
      [names.checksum]: hash('sha256', bytes, 'hex'),
      ...(expiresAtMs !== undefined && { [names.expiry]: String(expiresAtMs) }),
    };
    await this.#objects.put(this.#placeOf(key), bytes, metadata, signal);
  }

  async delete(key: string, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    checkKey(key);
    const { bucket, key: name } = this.#placeOf(key);
    await this.#objects.delete(bucket, [name], signal);
  }

  #placeOf(key: string): S3Place {
    return { bucket: this.#buckets.bucketFor(hash('sha256', key, 'hex')), key: this.#objectNameOf(key) };
  }
}

/** The tilde keeps hashes apart from keys. */
function defaultName(key: string): string {
  return plainKey.test(key) ? `keyed/${key}` : `keyed/~${hash('sha256', key, 'hex')}`;
}
