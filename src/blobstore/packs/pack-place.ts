import type { Digest } from '../../digest/digest.js';
import { type DigestFunction, SHA256 } from '../../digest/digest-function.js';

/** Where the first byte of a blob stands: the number of a segment, and an offset in its file. Both fit in 32 bits. */
export interface PackPlace {
  readonly segment: number;
  readonly offset: number;
}

/** A blob that is to be forgotten, and the place that is known of it. */
export interface ForgottenBlob {
  readonly digest: Digest;
  readonly place: PackPlace;
}

/** A file of a `PackFolder`. */
export interface PackSegmentInfo {
  readonly number: number;
  /** What its records take on the disk, those of forgotten blobs among them. Its hint takes some 50 bytes a record more. */
  readonly fileBytes: number;
  /**
   * Whether nothing is added to it any more, and whoever appended to it has been given the places, and a turn of the event
   * loop to enter them into an index: what no index knows then is of no use to anybody.
   */
  readonly isSealed: boolean;
}

/**
 * One record, as it is listed. The object is used again for the next one: it holds good only during the call. The raw
 * hash has `fn.hexLength / 2` bytes and begins at `hashStart` of `bytes`.
 */
export interface ListedRecord {
  /** Whether it says that a blob is forgotten, instead of holding it. */
  readonly isTombstone: boolean;
  readonly fn: DigestFunction;
  readonly bytes: Buffer;
  readonly hashStart: number;
  readonly sizeBytes: number;
  /** {@link PackPlace.segment} of the blob; of a tombstone, that of the blob it is about. */
  readonly segment: number;
  /** {@link PackPlace.offset} of the blob; of a tombstone, that of the blob it is about. */
  readonly offset: number;
}

/** Takes the records one by one. It must not throw: a record that it does not want is passed over. */
export type OnRecord = (record: ListedRecord) => void;

/** A record to be filled in. */
export function blankRecord(): { -readonly [Key in keyof ListedRecord]: ListedRecord[Key] } {
  return {
    isTombstone: false,
    fn: SHA256,
    bytes: Buffer.alloc(0),
    hashStart: 0,
    sizeBytes: 0,
    segment: 0,
    offset: 0,
  };
}
