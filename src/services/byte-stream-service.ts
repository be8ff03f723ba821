import { resolveRange } from '../blobstore/resolve-range.js';
import type { ZstdCodec } from '../codec/zstd/zstd-codec.js';
import type { ChunkSource } from '../common/chunk-pool.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import { type ReadResource, parseReadResource, parseWriteResource } from '../digest/resource-name.js';
import { decodeMessage } from '../proto/any.js';
import { bytestream } from '../proto/index.js';
import type { CallContext } from './call-context.js';
import type { InstanceRegistry } from './instance-registry.js';
import { maxReadChunkBytes } from './limits.js';
import type { RawMessage } from './raw-methods.js';
import { readResponseHead } from './read-response.js';
import { sharedReadChunks } from './shared-read-chunks.js';
import { sharedZstd } from './shared-zstd.js';
import { Upload } from './upload.js';

/** The one compressor, as resource names spell it (BS-1). */
const zstdSegment = 'zstd';

/** Serves `ByteStream` from the blob stores of its instances, plain and compressed with zstd. Uploads start from 0. */
export class ByteStreamService {
  readonly #registry: InstanceRegistry;
  readonly #zstd: ZstdCodec;

  /** Chunks go out as they are. */
  readonly raw = {
    read: (request: Buffer, context: CallContext): AsyncIterable<RawMessage> => this.#readRaw(request, context),
  };

  constructor(registry: InstanceRegistry, zstd = sharedZstd) {
    this.#registry = registry;
    this.#zstd = zstd;
  }

  async *read(
    request: bytestream.ReadRequest,
    { signal }: CallContext,
  ): AsyncIterable<bytestream.ReadResponse.$Properties> {
    for await (const data of this.#read(request, undefined, signal)) yield { data };
  }

  async *#readRaw(request: Buffer, { signal }: CallContext): AsyncIterable<RawMessage> {
    const decoded = decodeMessage('a ReadRequest', bytestream.ReadRequest, request);
    const chunks = sharedReadChunks.open();
    try {
      for await (const data of this.#read(decoded, chunks, signal)) {
        yield { parts: [readResponseHead(data.length), data], onSent: () => chunks.giveBack(data) };
      }
    } finally {
      chunks.close();
    }
  }

  async *#read(
    { resourceName, readOffset, readLimit }: bytestream.ReadRequest,
    memory: ChunkSource | undefined,
    signal: AbortSignal,
  ): AsyncIterable<Uint8Array> {
    const resource = parseReadResource(resourceName);
    const blobs = this.#registry.blobs(resource.instanceName);
    const isCompressed = await this.#isCompressed(resource);
    if (isCompressed && readLimit !== 0) throw invalid(`A compressed read has no limit, but ${readLimit} is asked for`);
    // BS-5: the offset counts uncompressed bytes, and what is sent decodes by itself.
    const range = resolveRange(resource.digest, {
      offset: readOffset,
      ...(readLimit !== 0 && { limit: readLimit }),
    });
    // A compressor keeps what it is given for a while.
    const chunks = isCompressed ? undefined : memory;
    const plain = blobs.read(resource.digest, { offset: range.offset, limit: range.length, chunks }, signal);
    for await (const chunk of isCompressed ? this.#zstd.compress(plain) : plain) {
      for (let start = 0; start < chunk.length; start += maxReadChunkBytes) {
        yield chunk.subarray(start, start + maxReadChunkBytes);
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
      const blobs = this.#registry.writableBlobs(resource.instanceName);
      const isCompressed = await this.#isCompressed(resource);
      const { digest } = resource;
      const upload = new Upload(first.value, messages);
      // BS-11: a blob that is there already is acknowledged at once, however the client meant to go on.
      const [absent] = await blobs.findMissing([digest], signal);
      if (absent) {
        const sent = upload.content();
        const content = isCompressed ? this.#zstd.decompress(sent, digest.sizeBytes, signal) : sent;
        await blobs.write(digest, content, signal);
      }
      // BS-12: of a compressed upload the bytes that came, or -1 for one that was not needed to its end.
      return { committedSize: isCompressed ? (upload.sentBytes ?? -1) : digest.sizeBytes };
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
    await this.#isCompressed(resource);
    const { digest } = resource;
    const [absent] = await blobs.findMissing([digest], signal);
    return absent ? { committedSize: 0, complete: false } : { committedSize: digest.sizeBytes, complete: true };
  }

  /** Throws INVALID_ARGUMENT for a compressor that is not announced. */
  async #isCompressed({ compressor }: ReadResource): Promise<boolean> {
    if (compressor === undefined) return false;
    if (compressor === zstdSegment && (await this.#zstd.isAvailable())) return true;
    throw invalid(
      `Compressor ${JSON.stringify(compressor.slice(0, 300))} is not offered here: use the name with "blobs" instead`,
    );
  }
}

function invalid(message: string): StatusError {
  return new StatusError(Code.InvalidArgument, message);
}
