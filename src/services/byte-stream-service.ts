import { resolveRange } from '../blobstore/resolve-range.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { type ReadResource, parseReadResource, parseWriteResource } from '../digest/resource-name.js';
import type { bytestream } from '../proto/index.js';
import type { CallContext } from './call-context.js';
import type { InstanceRegistry } from './instance-registry.js';
import { maxReadChunkBytes } from './limits.js';

/** Serves `ByteStream` from the blob stores of its instances. Blobs travel uncompressed, and uploads start from 0. */
export class ByteStreamService {
  readonly #registry: InstanceRegistry;

  constructor(registry: InstanceRegistry) {
    this.#registry = registry;
  }

  async *read(
    { resourceName, readOffset, readLimit }: bytestream.ReadRequest,
    { signal }: CallContext,
  ): AsyncIterable<bytestream.ReadResponse.$Properties> {
    const resource = parseReadResource(resourceName);
    const blobs = this.#registry.blobs(resource.instanceName);
    refuseCompressed(resource);
    const range = resolveRange(resource.digest, {
      offset: readOffset,
      ...(readLimit !== 0 && { limit: readLimit }),
    });
    for await (const chunk of blobs.read(resource.digest, { offset: range.offset, limit: range.length }, signal)) {
      for (let start = 0; start < chunk.length; start += maxReadChunkBytes) {
        yield { data: chunk.subarray(start, start + maxReadChunkBytes) };
      }
    }
  }

  async write(
    requests: AsyncIterable<bytestream.WriteRequest>,
    { signal }: CallContext,
  ): Promise<bytestream.WriteResponse.$Properties> {
    const messages = requests[Symbol.asyncIterator]();
    try {
      const first = await messages.next();
      if (first.done === true) throw invalid('The upload has no message: the first names the resource');
      const resource = parseWriteResource(first.value.resourceName);
      const blobs = this.#registry.blobs(resource.instanceName);
      refuseCompressed(resource);
      const { digest } = resource;
      // BS-11: a blob that is there already is acknowledged at once, however the client meant to go on.
      const [absent] = await blobs.findMissing([digest], signal);
      if (absent) await blobs.write(digest, contentOf(first.value, messages), signal);
      return { committedSize: digest.sizeBytes };
    } finally {
      // Not awaited: it may stand behind a message that never comes.
      messages.return?.().catch(() => undefined);
    }
  }

  async queryWriteStatus(
    { resourceName }: bytestream.QueryWriteStatusRequest,
    { signal }: CallContext,
  ): Promise<bytestream.QueryWriteStatusResponse.$Properties> {
    const resource = parseWriteResource(resourceName);
    const blobs = this.#registry.blobs(resource.instanceName);
    refuseCompressed(resource);
    const { digest } = resource;
    const [absent] = await blobs.findMissing([digest], signal);
    return absent ? { committedSize: 0, complete: false } : { committedSize: digest.sizeBytes, complete: true };
  }
}

/**
 * The bytes of an upload. Ends only if `finish_write` was set and nothing came behind it (BS-9): when a client aborts, the
 * stream of its messages just ends, before grpc-js tells why, so an end alone proves nothing (D3).
 */
async function* contentOf(
  first: bytestream.WriteRequest,
  rest: AsyncIterator<bytestream.WriteRequest>,
): AsyncIterable<Uint8Array> {
  let received = 0;
  for (let message = first; ;) {
    if (message.resourceName !== '' && message.resourceName !== first.resourceName) {
      throw invalid(
        `A message names ${quoted(message.resourceName)}, not ${quoted(first.resourceName)} as the first did`,
      );
    }
    if (message.writeOffset !== received) {
      throw invalid(`A message has write_offset ${message.writeOffset}, but ${received} bytes have come before it`);
    }
    received += message.data.length;
    if (message.data.length > 0) yield message.data;
    const next = await rest.next();
    if (message.finishWrite) {
      if (next.done !== true) throw invalid('A message follows the one with finish_write');
      return;
    }
    if (next.done === true) throw invalid(`The upload ended after ${received} bytes without finish_write`);
    message = next.value;
  }
}

function refuseCompressed({ compressor }: ReadResource): void {
  if (compressor === undefined) return;
  throw invalid(`Compressor ${quoted(compressor)} is not offered here: use the name with "blobs" instead`);
}

function invalid(message: string): StatusError {
  return new StatusError(Code.InvalidArgument, message);
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 300));
}
