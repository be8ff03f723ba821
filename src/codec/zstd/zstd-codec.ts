import { bytesOnce, collectBytes } from '../../common/async-iteration.js';
import { Code } from '../../common/code.js';
import { StatusError } from '../../common/status-error.js';
import { WeightedSemaphore } from '../../common/weighted-semaphore.js';
import { FrameDecoder } from './frame-decoder.js';
import { FrameWalker } from './frame-walker.js';
import { type FrameEncoder, StoredFrame } from './stored-frame.js';
import { TransformPump } from './transform-pump.js';
import { loadZstdEngine, type ZstdEngine } from './zstd-engine.js';
import { ZstdError } from './zstd-error.js';

/** What {@link ZstdCodec} may take. */
export interface ZstdLimits {
  /** Streams that are compressed at a time, about 2 MiB each; those beyond it are sent as they are. @defaultValue 64 */
  readonly maxEncoders?: number;
  /** What the windows of all streams that are decoded may have together; more wait. @defaultValue 256 MiB */
  readonly maxDecoderBytes?: number;
}

/** What is compressed in one go: quicker than a stream, and without its memory. */
const oneShotBytes = 512 * 1024;

/** What is compressed between two turns of the event loop. */
const pieceBytes = 256 * 1024;

/**
 * Compresses and decompresses zstd with bounded memory, whatever the input and however many streams there are (U4). One
 * codec's limits hold for all that share it.
 */
export class ZstdCodec {
  readonly #maxEncoders: number;
  readonly #decoderMemory: WeightedSemaphore;
  #encoders = 0;

  constructor({ maxEncoders = 64, maxDecoderBytes = 256 * 1024 * 1024 }: ZstdLimits = {}) {
    this.#maxEncoders = maxEncoders;
    this.#decoderMemory = new WeightedSemaphore(maxDecoderBytes);
  }

  /** Whether this machine has zstd at all. Everything else throws UNIMPLEMENTED where it has not. */
  async isAvailable(): Promise<boolean> {
    return (await loadZstdEngine()) !== undefined;
  }

  /** Makes one frame of `content`, also of none. Readers that are slow hold back the source, and nobody else. */
  async *compress(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
    const engine = await engineOf();
    const waiting: Uint8Array[] = [];
    let sizeBytes = 0;
    let encoder: FrameEncoder | undefined;
    try {
      for await (const chunk of content) {
        waiting.push(...inPieces(chunk));
        sizeBytes += chunk.length;
        if (sizeBytes <= oneShotBytes) continue;
        encoder ??= this.#openEncoder(engine);
        for (const piece of waiting.splice(0)) yield* await encoder.push(piece);
      }
      if (encoder) yield* await encoder.finish();
      else yield engine.compress(Buffer.concat(waiting));
    } finally {
      encoder?.[Symbol.dispose]();
    }
  }

  /**
   * Decodes any number of frames. Throws {@link ZstdError} for more than `maxBytes` as soon as they are seen, for a
   * window over 8 MiB, and for input that is damaged, cut off, or goes on behind its frames with something else.
   */
  async *decompress(
    content: AsyncIterable<Uint8Array>,
    maxBytes: number,
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const walker = new FrameWalker(maxBytes);
    using decoder = new FrameDecoder(await engineOf(), this.#decoderMemory);
    const count = countUpTo(maxBytes);
    for await (const chunk of content) {
      for (const slice of walker.feed(chunk)) yield* count(await decoder.push(slice, signal));
    }
    walker.end();
    yield* count(await decoder.finish());
  }

  /** {@link compress} for bytes in memory. */
  async compressBytes(bytes: Uint8Array): Promise<Uint8Array> {
    return (await engineOf()).compress(bytes);
  }

  /** {@link decompress} for bytes in memory. */
  async decompressBytes(bytes: Uint8Array, maxBytes: number, signal?: AbortSignal): Promise<Uint8Array> {
    if (bytes.length === 0) return bytes;
    const declaredBytes = declaredBytesOf(bytes, maxBytes);
    // Bytes that announce their size need no decoder of their own: the result is made at that size.
    if (declaredBytes === undefined) return collectBytes(this.decompress(bytesOnce(bytes), maxBytes, signal));
    const engine = await engineOf();
    try {
      return engine.decompress(bytes, declaredBytes);
    } catch (reason) {
      throw new ZstdError(reason instanceof Error ? reason.message : String(reason), { cause: reason });
    }
  }

  #openEncoder(engine: ZstdEngine): FrameEncoder {
    if (this.#encoders >= this.#maxEncoders) return new StoredFrame();
    this.#encoders += 1;
    const pump = new TransformPump(engine.createCompressor());
    return {
      push: (bytes) => pump.push(bytes),
      finish: () => pump.finish(),
      [Symbol.dispose]: () => {
        this.#encoders -= 1;
        pump[Symbol.dispose]();
      },
    };
  }
}

function* inPieces(chunk: Uint8Array): Generator<Uint8Array, void, undefined> {
  for (let start = 0; start < chunk.length; start += pieceBytes) yield chunk.subarray(start, start + pieceBytes);
}

async function engineOf(): Promise<ZstdEngine> {
  const engine = await loadZstdEngine();
  if (engine) return engine;
  throw new StatusError(Code.Unimplemented, 'zstd is not available on this machine; transfer the bytes as they are');
}

function declaredBytesOf(bytes: Uint8Array, maxBytes: number): number | undefined {
  const walker = new FrameWalker(maxBytes);
  const slices = walker.feed(bytes);
  while (slices.next().done !== true) continue;
  walker.end();
  return walker.declaredBytes;
}

function countUpTo(maxBytes: number): (pieces: readonly Uint8Array[]) => readonly Uint8Array[] {
  let sizeBytes = 0;
  return (pieces) => {
    for (const { length } of pieces) sizeBytes += length;
    if (sizeBytes <= maxBytes) return pieces;
    throw new ZstdError(`they hold more than the ${maxBytes} bytes that are wanted, at least ${sizeBytes}`);
  };
}
