import type { BlobStore } from '../blobstore/blob-store.js';
import { resolveRange } from '../blobstore/resolve-range.js';
import type { ZstdCodec } from '../codec/zstd/zstd-codec.js';
import { type Clock, systemClock } from '../common/clock.js';
import type { ChunkSource } from '../common/chunk-pool.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import {
  type ReadResource,
  type WriteResource,
  parseReadResource,
  parseWriteResource,
  writeResourceName,
} from '../digest/resource-name.js';
import { decodeMessage } from '../proto/any.js';
import { bytestream } from '../proto/index.js';
import type { CallContext } from './call-context.js';
import type { InstanceRegistry } from './instance-registry.js';
import { maxReadChunkBytes, maxUploadIdleMs } from './limits.js';
import type { PartialUploads } from './partial-uploads.js';
import type { RawMessage } from './raw-methods.js';
import { readResponseHead } from './read-response.js';
import { sharedReadChunks } from './shared-read-chunks.js';
import { sharedZstd } from './shared-zstd.js';
import { Upload } from './upload.js';

/** The one compressor, as resource names spell it (BS-1). */
const zstdSegment = 'zstd';

/** What {@link ByteStreamService} is told. */
export interface ByteStreamOptions {
  readonly zstd?: ZstdCodec;
  /** Keeps what came of uploads that broke off. @defaultValue nothing is kept */
  readonly partialUploads?: PartialUploads;
  /** How long a client may keep the next message of an upload waiting. @defaultValue 60 s */
  readonly idleMs?: number;
  readonly clock?: Clock;
}

/** Serves `ByteStream` from the blob stores of its instances, plain and compressed with zstd. */
export class ByteStreamService {
  readonly #registry: InstanceRegistry;
  readonly #options: Required<Omit<ByteStreamOptions, 'partialUploads'>> & ByteStreamOptions;

  /** Chunks go out as they are. */
  readonly raw = {
    read: (request: Buffer, context: CallContext): AsyncIterable<RawMessage> => this.#readRaw(request, context),
  };

  constructor(registry: InstanceRegistry, options: ByteStreamOptions = {}) {
    this.#registry = registry;
    this.#options = { zstd: sharedZstd, idleMs: maxUploadIdleMs, clock: systemClock, ...options };
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
    for await (const chunk of isCompressed ? this.#options.zstd.compress(plain) : plain) {
      for (let start = 0; start < chunk.length; start += maxReadChunkBytes) {
        yield chunk.subarray(start, start + maxReadChunkBytes);
      }
    }
  }

  async write(
    requests: AsyncIterable<bytestream.WriteRequest>,
    { signal }: CallContext,
  ): Promise<bytestream.WriteResponse.$Properties> {
    using upload = new Upload(requests[Symbol.asyncIterator](), this.#options);
    signal.addEventListener('abort', () => upload.break(StatusError.from(signal.reason)), { once: true });
    const { resourceName } = await upload.first();
    const resource = parseWriteResource(resourceName);
    const blobs = this.#registry.writableBlobs(resource.instanceName);
    const isCompressed = await this.#isCompressed(resource);
    const { digest } = resource;
    this.#registry.assertFits(resource.instanceName, digest);
    // BS-11: a blob that is there already is acknowledged at once, however the client meant to go on.
    const [absent] = await blobs.findMissing([digest], signal);
    if (absent && isCompressed) {
      const content = this.#options.zstd.decompress(upload.content(0), digest.sizeBytes, signal);
      await blobs.write(digest, content, signal);
    } else if (absent) {
      await this.#storePlain(resource, upload, blobs, signal);
    } else {
      this.#options.partialUploads?.discard(nameOf(resource));
    }
    // BS-12: of a compressed upload the bytes that came, or -1 for one that was not needed to its end.
    return { committedSize: isCompressed ? (upload.sentBytes ?? -1) : digest.sizeBytes };
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
    const { partialUploads } = this.#options;
    if (absent) return { committedSize: partialUploads?.committedSize(nameOf(resource)) ?? 0, complete: false };
    partialUploads?.discard(nameOf(resource));
    return { committedSize: digest.sizeBytes, complete: true };
  }

  /** What breaks off may go on, if anything is kept of it; what is compressed may not (BS-8). */
  async #storePlain(resource: WriteResource, upload: Upload, blobs: BlobStore, signal: AbortSignal): Promise<void> {
    const { digest } = resource;
    const { partialUploads } = this.#options;
    if (!partialUploads) return blobs.write(digest, upload.content(0), signal);
    try {
      await partialUploads.receive(nameOf(resource), upload, (content, over) => blobs.write(digest, content, over));
    } catch (reason) {
      if (StatusError.from(reason).code !== Code.InvalidArgument) throw reason;
      // BS-11: there is nothing to go on with where the stream before has stored the blob since it was looked for.
      const [absent] = await blobs.findMissing([digest], signal);
      if (absent) throw reason;
    }
  }

  /** Throws INVALID_ARGUMENT for a compressor that is not announced. */
  async #isCompressed({ compressor }: ReadResource): Promise<boolean> {
    if (compressor === undefined) return false;
    if (compressor === zstdSegment && (await this.#options.zstd.isAvailable())) return true;
    throw invalid(
      `Compressor ${JSON.stringify(compressor.slice(0, 300))} is not offered here: use the name with "blobs" instead`,
    );
  }
}

/** One for each blob and uuid of an instance, whatever stands behind the size (BS-3, BS-14). */
function nameOf({ instanceName, uuid, digest, compressor }: WriteResource): string {
  return writeResourceName(instanceName, uuid, digest, compressor);
}

function invalid(message: string): StatusError {
  return new StatusError(Code.InvalidArgument, message);
}
