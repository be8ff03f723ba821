import type { WeightedSemaphore } from '../../common/weighted-semaphore.js';
import type { FrameSlice } from './frame-walker.js';
import { TransformPump } from './transform-pump.js';
import type { ZstdEngine } from './zstd-engine.js';
import { ZstdError } from './zstd-error.js';

/** What a decoder needs besides its window. */
const decoderBytes = 256 * 1024;

/** Decodes the slices of a stream. It takes the memory that a frame's window needs from `memory`, which others share. */
export class FrameDecoder implements Disposable {
  readonly #engine: ZstdEngine;
  readonly #memory: WeightedSemaphore;
  #pump: TransformPump | undefined;
  #windowBytes = -1;
  #release: (() => void) | undefined;

  constructor(engine: ZstdEngine, memory: WeightedSemaphore) {
    this.#engine = engine;
    this.#memory = memory;
  }

  /** What `slice` decodes to, at most about 1 MiB; its end may come with the next call. Throws {@link ZstdError}. */
  async push({ bytes, windowBytes }: FrameSlice, signal?: AbortSignal): Promise<readonly Uint8Array[]> {
    const before = windowBytes > this.#windowBytes ? await this.#reopen(windowBytes, signal) : [];
    return [...before, ...(await decoded(this.#pump?.push(bytes)))];
  }

  /** What was left. */
  finish(): Promise<readonly Uint8Array[]> {
    return decoded(this.#pump?.finish());
  }

  [Symbol.dispose](): void {
    this.#pump?.[Symbol.dispose]();
    this.#pump = undefined;
    this.#release?.();
    this.#release = undefined;
  }

  /** Gives back what it has before it asks for more: holding while waiting could block all for ever. */
  async #reopen(windowBytes: number, signal?: AbortSignal): Promise<readonly Uint8Array[]> {
    const before = await this.finish();
    this[Symbol.dispose]();
    this.#release = await this.#memory.acquire(windowBytes + decoderBytes, signal);
    this.#windowBytes = windowBytes;
    this.#pump = new TransformPump(this.#engine.createDecompressor());
    return before;
  }
}

async function decoded(output: Promise<readonly Uint8Array[]> | undefined): Promise<readonly Uint8Array[]> {
  try {
    return (await output) ?? [];
  } catch (reason) {
    throw new ZstdError(reason instanceof Error ? reason.message : String(reason), { cause: reason });
  }
}
