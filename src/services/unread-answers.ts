import { type ServerHttp2Stream, constants } from 'node:http2';
import { type Clock, systemClock } from '../common/clock.js';
import { http2StreamOf } from './http2-stream.js';
import { maxUnreadAnswerBytes, maxUnreadAnswerMs } from './limits.js';

/** Less is not worth looking at: a stream takes as much by itself. */
const smallBytes = 16 * 1024;

/** Others wait with a client for so long, and no longer: it may have stopped for ever. */
const patienceMs = 5_000;

/** All that wait are looked at together, and not more often than that. */
const minPauseMs = 100;

/** What {@link UnreadAnswers} may let wait. */
export interface UnreadAnswersOptions {
  /** @defaultValue 60 s */
  readonly maxMs?: number;
  /** Together. @defaultValue 512 MiB */
  readonly maxBytes?: number;
  readonly clock?: Clock;
}

/** An answer that waits for its client. */
interface Waiting {
  readonly bytes: number;
  readonly sinceMs: number;
  /** Lets those go on who wait with it; they have nothing against being told again. */
  readonly letGo: () => void;
}

/**
 * Answers that are in memory until their clients take them. A client may ask and never take what it asked for; so what has
 * waited for long is cut off, and of too much that which has waited longest (U4). The client sees RESOURCE_EXHAUSTED.
 *
 * Most answers are taken at once, and there are many: so all of them share one timer.
 */
export class UnreadAnswers {
  readonly #options: Required<UnreadAnswersOptions>;
  /** The oldest first. */
  readonly #waiting = new Map<ServerHttp2Stream, Waiting>();
  #bytes = 0;
  #timer: AbortController | undefined;

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
    return new Promise((resolve) => this.#hold(stream, resolve));
  }

  #hold(stream: ServerHttp2Stream, letGo: () => void): void {
    const bytes = stream.writableLength;
    const end = (): void => {
      stream.off('drain', end).off('close', end);
      this.#waiting.delete(stream);
      this.#bytes -= bytes;
      letGo();
      if (this.#waiting.size === 0) this.#stopTimer();
    };
    // Once it has been ended, a stream does not drain, but close.
    stream.once('drain', end).once('close', end);
    this.#waiting.set(stream, { bytes, sinceMs: this.#options.clock.now(), letGo });
    this.#bytes += bytes;
    this.#cutOffTheOldest();
    if (!this.#timer) void this.#lookFromTimeToTime((this.#timer = new AbortController()));
  }

  #stopTimer(): void {
    this.#timer?.abort();
    this.#timer = undefined;
  }

  async #lookFromTimeToTime({ signal }: AbortController): Promise<void> {
    const { clock, maxMs } = this.#options;
    let pauseMs = Math.min(patienceMs, maxMs);
    for (;;) {
      await clock.sleep(pauseMs, signal);
      if (signal.aborted) return;
      pauseMs = this.#look();
    }
  }

  /** Lets go, and cuts off, what has waited for long. Returns when there will be some more of it. */
  #look(): number {
    const { clock, maxMs } = this.#options;
    const now = clock.now();
    let pauseMs = maxMs;
    for (const [stream, { sinceMs, letGo }] of this.#waiting) {
      const waitedMs = now - sinceMs;
      if (waitedMs >= maxMs) cutOff(stream);
      if (waitedMs >= patienceMs) letGo();
      pauseMs = Math.min(pauseMs, (waitedMs < patienceMs ? patienceMs : maxMs) - waitedMs);
    }
    return Math.max(pauseMs, minPauseMs);
  }

  #cutOffTheOldest(): void {
    let leftBytes = this.#bytes;
    for (const [stream, { bytes }] of this.#waiting) {
      if (leftBytes <= this.#options.maxBytes) return;
      cutOff(stream);
      leftBytes -= bytes;
    }
  }
}

function cutOff(stream: ServerHttp2Stream): void {
  stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
}
