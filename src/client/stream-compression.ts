import { ZstdCodec } from '../codec/zstd/zstd-codec.js';
import type { Digest } from '../digest/digest.js';
import type { CasLimitsSource } from './cas-limits.js';
import type { RemoteInstance } from './remote-instance.js';
import { SeekableContent } from './seekable-content.js';

/** Smaller blobs gain too little: most of them travel in batches anyway. */
const worthwhileBytes = 64 * 1024;

/** Content that is not longer can be sent again whole, whatever it comes from. */
const replayableBytes = 4 * 1024 * 1024;

/** The start of content by which it is judged. */
const sampleBytes = 64 * 1024;

/** The codec of this process, whose limits bound what all its streams take. */
const codec = new ZstdCodec();

/** Decides which blobs travel compressed: large ones that shrink, where the server and this machine have zstd. */
export class StreamCompression {
  readonly #isWanted: boolean;
  readonly #limits: CasLimitsSource;

  constructor({ channel, compression }: RemoteInstance, limits: CasLimitsSource) {
    this.#isWanted = (compression ?? (isThisMachine(channel.url) ? 'none' : 'zstd')) === 'zstd';
    this.#limits = limits;
  }

  /** What decodes a download of `digest`, if it shall come compressed. */
  async forRead(digest: Digest, signal?: AbortSignal): Promise<ZstdCodec | undefined> {
    return (await this.#isOffered(digest, signal)) ? codec : undefined;
  }

  /** What encodes an upload, if that is of use and can be begun anew when it breaks. */
  async forWrite(
    digest: Digest,
    content: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<ZstdCodec | undefined> {
    if (!(await this.#isOffered(digest, signal))) return undefined;
    // Other content cannot be looked at before it is sent.
    if (!(content instanceof SeekableContent)) return digest.sizeBytes <= replayableBytes ? codec : undefined;
    const sample = await startOf(content);
    const compressed = await codec.compressBytes(sample);
    return compressed.length < sample.length * 0.9 ? codec : undefined;
  }

  async #isOffered({ sizeBytes }: Digest, signal?: AbortSignal): Promise<boolean> {
    if (!this.#isWanted || sizeBytes < worthwhileBytes) return false;
    return (await this.#limits.get(signal)).hasZstd && codec.isAvailable();
  }
}

async function startOf(content: SeekableContent): Promise<Uint8Array> {
  for await (const chunk of content) return chunk.subarray(0, sampleBytes);
  return new Uint8Array();
}

function isThisMachine(url: string): boolean {
  return /^unix:|\/\/(localhost|127\.\d+\.\d+\.\d+|\[::1\])(:|$)/.test(url);
}
