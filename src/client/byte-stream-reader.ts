import { Code } from '../common/code.js';
import { BackOff } from '../common/retry.js';
import { StatusError } from '../common/status-error.js';
import type { ZstdCodec } from '../codec/zstd/zstd-codec.js';
import { ZstdError } from '../codec/zstd/zstd-error.js';
import { BlobNotFoundError, type ByteRange } from '../blobstore/blob-store.js';
import { resolveRange } from '../blobstore/resolve-range.js';
import type { Digest } from '../digest/digest.js';
import { readResourceName } from '../digest/resource-name.js';
import { methods } from './method.js';
import { retryOptionsOf, type RemoteInstance } from './remote-instance.js';
import { VerifiedBytes, damaged } from './verified-bytes.js';

/** What of a blob is read, and how it travels. */
export interface StreamedRange extends ByteRange {
  /** Decodes what a server sends that has zstd. Ranges with a limit travel plain: the protocol wants it so. */
  readonly zstd?: ZstdCodec | undefined;
}

/**
 * Streams a blob, or a part of it. A stream that breaks is taken up where it broke (CL-3); a whole blob is verified
 * before its last bytes are handed on, and read a second time if it is damaged and nothing was handed on yet.
 */
export async function* readByStream(
  remote: RemoteInstance,
  digest: Digest,
  range: StreamedRange = {},
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  const reading = new Reading(remote, digest, range);
  const backOff = new BackOff(retryOptionsOf(remote));
  for (let mayBeReadAgain = true; ;) {
    try {
      for await (const data of reading.rest(signal)) {
        backOff.reset();
        mayBeReadAgain = false;
        yield data;
      }
      return;
    } catch (reason) {
      if (!(mayBeReadAgain && isDamage(reason))) await backOff.pause(reason, signal);
      mayBeReadAgain = mayBeReadAgain && !isDamage(reason);
    }
  }
}

function isDamage(reason: unknown): boolean {
  return reason instanceof StatusError && reason.code === Code.DataLoss;
}

/** How far a blob, or a part of it, has been read. */
class Reading {
  readonly #remote: RemoteInstance;
  readonly #digest: Digest;
  readonly #end: number;
  readonly #isToEnd: boolean;
  readonly #isWhole: boolean;
  readonly #zstd: ZstdCodec | undefined;
  #verified: VerifiedBytes;
  #position: number;

  constructor(remote: RemoteInstance, digest: Digest, range: StreamedRange) {
    const { offset, length } = resolveRange(digest, range);
    this.#remote = remote;
    this.#digest = digest;
    this.#position = offset;
    this.#end = offset + length;
    this.#isToEnd = this.#end === digest.sizeBytes;
    this.#isWhole = offset === 0 && this.#isToEnd;
    this.#zstd = this.#isToEnd ? range.zstd : undefined;
    this.#verified = new VerifiedBytes(digest);
  }

  /** What was not handed on yet. */
  async *rest(signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const data of this.#plain(signal)) {
      if (data.length === 0) continue; // BS-6: legal.
      if (this.#position + data.length > this.#end) throw damaged(this.#digest, 'has more bytes than it should');
      this.#verify(data);
      this.#position += data.length;
      yield data;
    }
    if (this.#position === this.#end) return;
    throw new StatusError(
      Code.Unavailable,
      `Reading blob ${String(this.#digest)} from ${this.#remote.channel.url} ended at byte ${this.#position} of ${this.#end}`,
    );
  }

  async *#plain(signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    const received = this.#responses(signal);
    if (!this.#zstd) {
      yield* received;
      return;
    }
    try {
      yield* this.#zstd.decompress(received, this.#end - this.#position, signal);
    } catch (reason) {
      throw reason instanceof ZstdError ? damaged(this.#digest, `came as bad zstd (${reason.message})`) : reason;
    }
  }

  async *#responses(signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    const { channel, instanceName } = this.#remote;
    const request = {
      resourceName: readResourceName(instanceName, this.#digest, this.#zstd && 'zstd'),
      readOffset: this.#position,
      readLimit: this.#isToEnd ? 0 : this.#end - this.#position,
    };
    try {
      const options = { stallTimeoutMs: channel.timeoutMs };
      for await (const { data } of channel.serverStream(methods.read, request, options, signal)) yield data;
    } catch (reason) {
      if (reason instanceof StatusError && reason.code === Code.NotFound) throw new BlobNotFoundError(this.#digest);
      throw reason;
    }
  }

  #verify(data: Uint8Array): void {
    if (!this.#isWhole) return;
    try {
      this.#verified.add(data);
    } catch (reason) {
      this.#verified = new VerifiedBytes(this.#digest);
      throw reason;
    }
  }
}
