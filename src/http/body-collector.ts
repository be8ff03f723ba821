import { collectBytes } from '../common/async-iteration.js';
import { WeightedSemaphore } from '../common/weighted-semaphore.js';
import { BodyTooLargeError } from './body-too-large-error.js';
import type { HttpRequest } from './http-exchange.js';

/** Brings whole bodies into memory, with a limit for each and one for all that are under way (U4). */
export class BodyCollector {
  readonly #maxBytes: number;
  readonly #inFlight: WeightedSemaphore;

  constructor({ maxBytes, maxBytesInFlight }: { readonly maxBytes: number; readonly maxBytesInFlight: number }) {
    this.#maxBytes = maxBytes;
    this.#inFlight = new WeightedSemaphore(Math.max(maxBytes, maxBytesInFlight));
  }

  /** Calls `use` with the body while it counts as under way. Throws {@link BodyTooLargeError}. */
  async with<T>(request: HttpRequest, use: (body: Buffer) => Promise<T>): Promise<T> {
    const { sizeBytes = this.#maxBytes, body, signal } = request;
    if (sizeBytes > this.#maxBytes) throw new BodyTooLargeError(this.#maxBytes);
    const release = await this.#inFlight.acquire(sizeBytes, signal);
    try {
      return await use(await this.#collect(body));
    } finally {
      release();
    }
  }

  async #collect(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
    try {
      return await collectBytes(body, this.#maxBytes);
    } catch (reason) {
      throw reason instanceof RangeError ? new BodyTooLargeError(this.#maxBytes) : reason;
    }
  }
}
