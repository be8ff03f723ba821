import { type ServerHttp2Stream, constants } from 'node:http2';
import { type Clock, systemClock } from '../common/clock.js';
import { http2StreamOf } from './http2-stream.js';
import { maxUnreadAnswerBytes, maxUnreadAnswerMs } from './limits.js';

/** Less is not worth looking at: a stream takes as much by itself. */
const smallBytes = 16 * 1024;

/** Others wait with a client for so long, and no longer: it may have stopped for ever. */
const patienceMs = 5_000;

/** What {@link UnreadAnswers} may let wait. */
export interface UnreadAnswersOptions {
  /** @defaultValue 60 s */
  readonly maxMs?: number;
  /** Together. @defaultValue 512 MiB */
  readonly maxBytes?: number;
  readonly clock?: Clock;
}

/**
 * Answers that are in memory until their clients take them. A client may ask and never take what it asked for; so what has
 * waited for long is cut off, and of too much that which has waited longest (U4). The client sees RESOURCE_EXHAUSTED.
 */
export class UnreadAnswers {
  readonly #options: Required<UnreadAnswersOptions>;
  /** With what is left to be taken; the oldest first. */
  readonly #waiting = new Map<ServerHttp2Stream, number>();
  #bytes = 0;

  constructor({
    maxMs = maxUnreadAnswerMs,
    maxBytes = maxUnreadAnswerBytes,
    clock = systemClock,
  }: UnreadAnswersOptions = {}) {
    this.#options = { maxMs, maxBytes, clock };
  }

  /** What clients have not taken yet, save for small answers. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * To be told when something was sent on a call. Resolves when the client has taken it, when the call is gone, or when the
   * client has been waited for long enough; `undefined` if next to nothing is left to be taken.
   */
  watch(call: object): Promise<void> | undefined {
    const stream = http2StreamOf(call);
    if (!stream || stream.closed || stream.writableLength < smallBytes || this.#waiting.has(stream)) return undefined;
    const taken = new AbortController();
    void this.#limit(stream, taken);
    return this.#options.clock.sleep(patienceMs, taken.signal);
  }

  async #limit(stream: ServerHttp2Stream, taken: AbortController): Promise<void> {
    const bytes = stream.writableLength;
    const end = (): void => {
      stream.off('drain', end).off('close', end);
      this.#waiting.delete(stream);
      this.#bytes -= bytes;
      taken.abort();
    };
    // Once it has been ended, a stream does not drain, but close.
    stream.once('drain', end).once('close', end);
    this.#waiting.set(stream, bytes);
    this.#bytes += bytes;
    this.#cutOffTheOldest();
    await this.#options.clock.sleep(this.#options.maxMs, taken.signal);
    if (!taken.signal.aborted) cutOff(stream);
  }

  #cutOffTheOldest(): void {
    let leftBytes = this.#bytes;
    for (const [stream, bytes] of this.#waiting) {
      if (leftBytes <= this.#options.maxBytes) return;
      cutOff(stream);
      leftBytes -= bytes;
    }
  }
}

function cutOff(stream: ServerHttp2Stream): void {
  stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
}
