import type { MethodDefinition } from '@grpc/grpc-js';
import type { Blob } from '../blobstore/blob-store.js';
import type { reapi } from '../proto/index.js';
import { methods } from './method.js';

/** Tags of fields with a length, by their numbers; and of those with a plain number. */
const lengthTag = (field: number): number => (field << 3) | 2;
const numberTag = (field: number): number => field << 3;

/** `BatchUpdateBlobs`, of requests that are encoded already. */
export function batchUpdateBlobsEncoded(): MethodDefinition<Buffer, reapi.BatchUpdateBlobsResponse> {
  const asItIs = (request: Buffer): Buffer => request;
  return { ...methods.batchUpdateBlobs(), requestSerialize: asItIs, requestDeserialize: asItIs };
}

/**
 * Encodes a `BatchUpdateBlobsRequest`, with the number of its digest function or 0 for none, into memory of just the size
 * that it takes: the bytes of the blobs are copied once, where a writer that grows as it goes copies megabytes several times.
 */
export function encodeBatchUpdate(instanceName: string, blobs: readonly Blob[], digestFunction: number): Buffer {
  const entries = blobs.map(entryOf);
  const name = Buffer.from(instanceName);
  const nameBytes = name.length === 0 ? 0 : fieldBytes(name.length);
  const entriesBytes = entries.reduce((sum, { entryBytes }) => sum + fieldBytes(entryBytes), 0);
  const functionBytes = digestFunction === 0 ? 0 : 1 + varintBytes(digestFunction);
  const out = new Output(nameBytes + entriesBytes + functionBytes);
  if (nameBytes > 0) out.bytes(1, name);
  for (const entry of entries) writeEntry(out, entry);
  if (functionBytes > 0) out.number(5, digestFunction);
  return out.buffer;
}

interface Entry {
  readonly blob: Blob;
  /** Lengths of the encoded `Request`, and of the `Digest` in it. */
  readonly entryBytes: number;
  readonly digestBytes: number;
}

function entryOf(blob: Blob): Entry {
  const { hash, sizeBytes } = blob.digest;
  const digestBytes = fieldBytes(hash.length) + 1 + varintBytes(sizeBytes);
  return { blob, digestBytes, entryBytes: fieldBytes(digestBytes) + fieldBytes(blob.data.length) };
}

function writeEntry(out: Output, { blob: { digest, data }, entryBytes, digestBytes }: Entry): void {
  out.head(2, entryBytes);
  out.head(1, digestBytes);
  out.ascii(1, digest.hash);
  out.number(2, digest.sizeBytes);
  out.bytes(2, data);
}

/** What a field of `length` bytes takes with its tag and its length. */
function fieldBytes(length: number): number {
  return 1 + varintBytes(length) + length;
}

function varintBytes(value: number): number {
  let count = 1;
  for (let rest = value; rest > 0x7f; rest = Math.floor(rest / 128)) count += 1;
  return count;
}

/** Fields, one after the other, in memory that has just their length. */
class Output {
  readonly buffer: Buffer;
  #at = 0;

  constructor(length: number) {
    this.buffer = Buffer.allocUnsafe(length);
  }

  head(field: number, length: number): void {
    this.buffer[this.#at++] = lengthTag(field);
    this.#varint(length);
  }

  bytes(field: number, bytes: Uint8Array): void {
    this.head(field, bytes.length);
    this.buffer.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  ascii(field: number, text: string): void {
    this.head(field, text.length);
    this.#at += this.buffer.write(text, this.#at, 'latin1');
  }

  number(field: number, value: number): void {
    this.buffer[this.#at++] = numberTag(field);
    this.#varint(value);
  }

  #varint(value: number): void {
    let rest = value;
    for (; rest > 0x7f; rest = Math.floor(rest / 128)) this.buffer[this.#at++] = (rest % 128) | 0x80;
    this.buffer[this.#at++] = rest;
  }
}
