import { randomUUID } from 'node:crypto';
import { Code } from '../common/code.js';
import { BackOff } from '../common/retry.js';
import { StatusError } from '../common/status-error.js';
import { sizeMismatch } from '../blobstore/check-size.js';
import type { ZstdCodec } from '../codec/zstd/zstd-codec.js';
import type { Digest } from '../digest/digest.js';
import { writeResourceName } from '../digest/resource-name.js';
import type { bytestream } from '../proto/index.js';
import { methods } from './method.js';
import { retryOptionsOf, type RemoteInstance } from './remote-instance.js';
import { ReplayableContent } from './replayable-content.js';

/** Small enough that what waits in a stream's queue stays small, large enough to be as fast as any. */
const chunkBytes = 256 * 1024;

/** A blob on its way. */
export interface StreamedBlob {
  readonly digest: Digest;
  readonly content: AsyncIterable<Uint8Array>;
  /** Encodes for a server that takes zstd. */
  readonly zstd?: ZstdCodec | undefined;
}

/**
 * Streams a blob to the server. A stream that breaks is taken up at what the server has kept (CL-3), as far as `content`
 * can be read again; an answer before the end means that the server has the blob already. Compressed streams cannot be
 * resumed, so one that breaks is begun anew, plain.
 */
export async function writeByStream(
  remote: RemoteInstance,
  { digest, content, zstd }: StreamedBlob,
  signal?: AbortSignal,
): Promise<void> {
  using replayable = new ReplayableContent(content);
  const writing = new Writing(remote, { digest, zstd }, replayable);
  const backOff = new BackOff(retryOptionsOf(remote));
  for (let failure: unknown; ;) {
    try {
      const isDone = failure !== undefined && (await writing.resume(failure, signal));
      if (!isDone) await writing.send(signal);
      return;
    } catch (reason) {
      if (replayable.failure) throw replayable.failure.reason;
      if (!writing.isOutOfStep(reason)) await backOff.pause(reason, signal);
      failure = reason;
    }
  }
}

/** An upload, and how far the server has come with it. */
class Writing {
  readonly #remote: RemoteInstance;
  readonly #digest: Digest;
  readonly #content: ReplayableContent;
  #zstd: ZstdCodec | undefined;
  #resourceName: string;
  #offset = 0;
  #sentBytes = 0;

  constructor(remote: RemoteInstance, { digest, zstd }: Omit<StreamedBlob, 'content'>, content: ReplayableContent) {
    this.#remote = remote;
    this.#digest = digest;
    this.#content = content;
    this.#zstd = zstd;
    this.#resourceName = this.#newName();
  }

  /** Sends what the server does not have yet. */
  async send(signal?: AbortSignal): Promise<void> {
    const { channel } = this.#remote;
    const options = { stallTimeoutMs: channel.timeoutMs };
    const { committedSize } = await channel.clientStream(methods.write, this.#requests(), options, signal);
    if (committedSize === this.#digest.sizeBytes || committedSize === -1) return;
    // CL-2: of a compressed upload servers tell either size.
    if (this.#zstd && committedSize === this.#sentBytes) return;
    throw new StatusError(
      Code.Unavailable,
      `${channel.url} took ${committedSize} of ${this.#digest.sizeBytes} bytes of blob ${String(this.#digest)}`,
    );
  }

  /** Finds out where to go on after `failure`; true if the server has everything already. */
  async resume(failure: unknown, signal?: AbortSignal): Promise<boolean> {
    const { complete, committedSize } = this.isOutOfStep(failure) ? nothingKept : await this.#status(signal);
    if (complete) return true;
    if (!this.#zstd && committedSize > 0 && this.#content.canStartAt(committedSize)) {
      this.#offset = committedSize;
    } else {
      if (!this.#content.canStartAt(0)) throw failure;
      this.#offset = 0;
      this.#zstd = undefined;
      // What the server may still keep under the old name begins elsewhere.
      this.#resourceName = this.#newName();
    }
    return false;
  }

  /** Whether `reason` says that the server no longer has what this upload was to be resumed on (BS-8). */
  isOutOfStep(reason: unknown): boolean {
    const code = StatusError.from(reason).code;
    return this.#offset > 0 && (code === Code.InvalidArgument || code === Code.OutOfRange || code === Code.NotFound);
  }

  async #status(signal?: AbortSignal): Promise<{ readonly complete: boolean; readonly committedSize: number }> {
    const request = { resourceName: this.#resourceName };
    try {
      return await this.#remote.channel.unary(methods.queryWriteStatus, request, {}, signal);
    } catch (reason) {
      const { code } = StatusError.from(reason);
      if (code === Code.NotFound || code === Code.Unimplemented) return nothingKept;
      throw reason;
    }
  }

  /** The last bytes wait for the end of the content: they would commit an upload that turns out to be too long. */
  async *#requests(): AsyncGenerator<bytestream.WriteRequest.$Properties, void, undefined> {
    let request: bytestream.WriteRequest.$Properties = { resourceName: this.#resourceName, writeOffset: this.#offset };
    let position = this.#offset;
    const plain = this.#sized(position);
    for await (const data of inChunks(this.#zstd ? this.#zstd.compress(plain) : plain)) {
      if (request.data) {
        yield request;
        request = { writeOffset: position };
      }
      request.data = data;
      position += data.length;
      this.#sentBytes = position;
    }
    yield { ...request, finishWrite: true };
  }

  /** The content behind the first `offset` bytes; throws instead of ending with too few or going on with too many. */
  async *#sized(offset: number): AsyncGenerator<Uint8Array, void, undefined> {
    const { sizeBytes } = this.#digest;
    let position = offset;
    for await (const data of this.#content.from(offset)) {
      position += data.length;
      if (position > sizeBytes) throw sizeMismatch(this.#digest, position);
      yield data;
    }
    if (position < sizeBytes) throw sizeMismatch(this.#digest, position);
  }

  #newName(): string {
    return writeResourceName(this.#remote.instanceName, randomUUID(), this.#digest, this.#zstd && 'zstd');
  }
}

async function* inChunks(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const bytes of content) {
    for (let start = 0; start < bytes.length; start += chunkBytes) yield bytes.subarray(start, start + chunkBytes);
  }
}

const nothingKept = { complete: false, committedSize: 0 };
