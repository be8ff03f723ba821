import { createHash, randomBytes } from 'node:crypto';
import { bytestream, reapi } from '../../src/proto/index.js';
import { framed } from './frame.js';

const cas = '/build.bazel.remote.execution.v2.ContentAddressableStorage';

/** Full paths of the methods that are measured. */
export const paths = {
  findMissing: `${cas}/FindMissingBlobs`,
  batchUpdate: `${cas}/BatchUpdateBlobs`,
  getActionResult: '/build.bazel.remote.execution.v2.ActionCache/GetActionResult',
  updateActionResult: '/build.bazel.remote.execution.v2.ActionCache/UpdateActionResult',
  read: '/google.bytestream.ByteStream/Read',
  write: '/google.bytestream.ByteStream/Write',
} as const;

/** A blob and its SHA-256. */
export interface BenchBlob {
  readonly hash: string;
  readonly data: Uint8Array;
}

export function blobOf(data: Uint8Array): BenchBlob {
  return { hash: createHash('sha256').update(data).digest('hex'), data };
}

/** Blobs that no store has yet. */
export function newBlobs(count: number, sizeBytes: number): BenchBlob[] {
  const bytes = randomBytes(count * sizeBytes);
  return Array.from({ length: count }, (_, index) =>
    blobOf(bytes.subarray(index * sizeBytes, (index + 1) * sizeBytes)),
  );
}

export function digestOf({ hash, data }: BenchBlob): reapi.Digest.$Properties {
  return { hash, sizeBytes: data.length };
}

export function findMissingRequest(blobs: readonly BenchBlob[]): Buffer {
  return framed(reapi.FindMissingBlobsRequest.encode({ blobDigests: blobs.map(digestOf) }).finish());
}

export function batchUpdateRequest(blobs: readonly BenchBlob[]): Buffer {
  const requests = blobs.map((blob) => ({ digest: digestOf(blob), data: blob.data }));
  return framed(reapi.BatchUpdateBlobsRequest.encode({ requests }).finish());
}

export function readRequest({ hash, data }: BenchBlob): Buffer {
  return framed(bytestream.ReadRequest.encode({ resourceName: `blobs/${hash}/${data.length}` }).finish());
}

/** The messages of an upload, each with up to `partBytes`. */
export function* writeRequests({ hash, data }: BenchBlob, uuid: string, partBytes = 1024 * 1024): Iterable<Buffer> {
  for (let writeOffset = 0; writeOffset < data.length; writeOffset += partBytes) {
    const part = data.subarray(writeOffset, writeOffset + partBytes);
    const message = {
      ...(writeOffset === 0 && { resourceName: `uploads/${uuid}/blobs/${hash}/${data.length}` }),
      writeOffset,
      finishWrite: writeOffset + part.length === data.length,
      data: part,
    };
    yield framed(bytestream.WriteRequest.encode(message).finish());
  }
}
