import type { Blob, WriteOutcome } from '../blobstore/blob-store.js';
import { reapi } from '../proto/index.js';
import { statusMessageOf } from '../proto/status.js';
import { varintAt, varintBytes, writeVarint } from '../proto/varint.js';
import { digestBetween, isPlain } from './digest-bytes.js';

const { Response } = reapi.BatchUpdateBlobsResponse;

/** Fields of `BatchUpdateBlobsRequest` and of its entries: number and wire type. */
const tags = {
  instanceName: 0x0a,
  entry: 0x12,
  digestFunction: 0x28,
  digest: 0x0a,
  data: 0x12,
} as const;

/** `responses` of `BatchUpdateBlobsResponse`. */
const responseTag = 0x0a;

const noData = Buffer.alloc(0);
const success = encodedStatus(undefined);

/**
 * An encoded `BatchUpdateBlobsRequest`, of which only a digest is made for each blob; their bytes stay where they are. The
 * response is made of the bytes of the digests, too.
 */
export class BatchUpdateBytes {
  readonly instanceName: string;
  readonly blobs: readonly Blob[];
  readonly #request: Buffer;
  /** Start of each entry, which begins with its digest. */
  readonly #starts: readonly number[];

  private constructor(request: Buffer, { instanceName, starts }: Outline, blobs: readonly Blob[]) {
    this.instanceName = instanceName;
    this.blobs = blobs;
    this.#request = request;
    this.#starts = starts;
  }

  /** Returns `undefined` for a request with anything unusual in it, be it wrong or only rare: such a one is to be decoded. */
  static parse(request: Buffer): BatchUpdateBytes | undefined {
    const outline = outlineOf(request);
    if (!outline) return undefined;
    const { starts, ends, functionValue } = outline;
    const blobs: Blob[] = [];
    for (let index = 0; index < starts.length; index += 1) {
      const blob = blobBetween(request, starts[index] ?? 0, ends[index] ?? 0, functionValue);
      if (!blob) return undefined;
      blobs.push(blob);
    }
    return new BatchUpdateBytes(request, outline, blobs);
  }

  /** The encoded response: an outcome for each of {@link blobs}, in order. */
  response(outcomes: readonly WriteOutcome[]): Buffer {
    const statuses = outcomes.some(isFailure) ? outcomes.map(encodedStatus) : undefined;
    let sizeBytes = 0;
    for (let index = 0; index < this.#starts.length; index += 1) {
      const size = this.#digestBytes(index) + (statuses?.[index] ?? success).length;
      sizeBytes += 1 + varintBytes(size) + size;
    }
    const response = Buffer.allocUnsafe(sizeBytes);
    let at = 0;
    for (let index = 0; index < this.#starts.length; index += 1) {
      at = this.#answer(index, statuses?.[index] ?? success, response, at);
    }
    return response;
  }

  /** Writes the answer to one entry into `response` from `at` on. Returns where it ends. */
  #answer(index: number, status: Uint8Array, response: Buffer, at: number): number {
    const digestBytes = this.#digestBytes(index);
    response[at] = responseTag;
    const digestAt = writeVarint(response, at + 1, digestBytes + status.length);
    // `digest` has the same number in an entry and in a response.
    const start = this.#starts[index] ?? 0;
    for (let byte = 0; byte < digestBytes; byte += 1) response[digestAt + byte] = this.#request[start + byte] ?? 0;
    response.set(status, digestAt + digestBytes);
    return digestAt + digestBytes + status.length;
  }

  /** What the digest of an entry takes, with its tag and its length. */
  #digestBytes(index: number): number {
    return 2 + (this.#request[(this.#starts[index] ?? 0) + 1] ?? 0);
  }
}

/** What a request says besides its blobs, and where their entries are. */
interface Outline {
  readonly instanceName: string;
  readonly functionValue: number;
  readonly starts: readonly number[];
  readonly ends: readonly number[];
}

/** Walks over the fields; `undefined` if one of them is not as it mostly is. */
function outlineOf(request: Buffer): Outline | undefined {
  let instanceName = '';
  let functionValue = 0;
  const starts: number[] = [];
  const ends: number[] = [];
  for (let at = 0, end = 0; at < request.length; at = end) {
    const tag = request[at];
    const value = varintAt(request, at + 1);
    const start = at + 1 + varintBytes(value);
    end = tag === tags.digestFunction ? start : start + value;
    if (end > request.length) return undefined;
    if (tag === tags.entry) {
      starts.push(start);
      ends.push(end);
    } else if (tag === tags.digestFunction) functionValue = value;
    else if (tag !== tags.instanceName) return undefined;
    else if (!isPlain((instanceName = request.toString('latin1', start, end)))) return undefined;
  }
  return { instanceName, functionValue, starts, ends };
}

/** The blob of the entry from `start` to `end`; `undefined` if that is not a digest and bytes that are not compressed. */
function blobBetween(request: Buffer, start: number, end: number, functionValue: number): Blob | undefined {
  const digestLength = request[start + 1] ?? 0xff;
  const digestEnd = start + 2 + digestLength;
  if (request[start] !== tags.digest || digestLength > 0x7f || digestEnd > end) return undefined;
  const digest = digestBetween(request, start + 2, digestEnd, functionValue);
  const data = digestEnd === end ? noData : dataBetween(request, digestEnd, end);
  return digest && data && { digest, data };
}

function dataBetween(request: Buffer, start: number, end: number): Buffer | undefined {
  const length = varintAt(request, start + 1);
  const dataStart = start + 1 + varintBytes(length);
  return request[start] === tags.data && dataStart + length === end ? request.subarray(dataStart, end) : undefined;
}

function isFailure(outcome: WriteOutcome): boolean {
  return outcome !== undefined;
}

/** The `status` of a response. */
function encodedStatus(failure: WriteOutcome): Uint8Array {
  return Response.encode({ status: statusMessageOf(failure) }).finish();
}
