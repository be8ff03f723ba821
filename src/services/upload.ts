import type { Clock } from '../common/clock.js';
import { Code } from '../common/code.js';
import { StatusError } from '../common/status-error.js';
import type { bytestream } from '../proto/index.js';

/** What {@link Upload} is told. */
export interface UploadOptions {
  readonly clock: Clock;
  /** How long the client may keep the next message waiting. */
  readonly idleMs: number;
}

type Message = bytestream.WriteRequest;

const noMessages: AsyncIterator<Message> = { next: () => Promise.resolve({ done: true, value: undefined }) };

/** Of a larger message the end is copied: whoever holds the last piece that came does not hold all of it. */
const largeMessageBytes = 1024 * 1024;
const copiedBytes = 16 * 1024;

/**
 * One stream of messages that brings a blob, or a part of one. It breaks when the connection does, when the client ends it
 * too soon, and when the client stalls; that is no fault of the bytes that have come. Whoever makes it disposes of it.
 */
export class Upload implements Disposable {
  /** Resolves with the reason when the stream breaks. */
  readonly whenBroken: Promise<StatusError>;
  #messages: AsyncIterator<Message>;
  readonly #options: UploadOptions;
  readonly #over = new AbortController();
  #resolveBroken: (reason: StatusError) => void = () => undefined;
  #interrupt: (reason: StatusError) => void = () => undefined;
  #brokenBy: StatusError | undefined;
  #waitingSinceMs: number | undefined;
  /** Until its bytes have been asked for. */
  #first: Message | undefined;
  #resourceName = '';
  #receivedBytes = 0;
  #isFinished = false;

  constructor(messages: AsyncIterator<Message>, options: UploadOptions) {
    this.#messages = messages;
    this.#options = options;
    this.whenBroken = new Promise((resolve) => (this.#resolveBroken = resolve));
    void this.#watch();
  }

  get isBroken(): boolean {
    return this.#brokenBy !== undefined;
  }

  /** How many bytes were sent in all; `undefined` while {@link content} was not read to its end. */
  get sentBytes(): number | undefined {
    return this.#isFinished ? this.#receivedBytes : undefined;
  }

  /** The first message, which names the resource and says where the bytes begin. To be asked for before {@link content}. */
  async first(): Promise<Message> {
    if (!this.#first) {
      const next = await this.#next();
      if (next.done === true) throw invalid('The upload has no message: the first names the resource');
      this.#first = next.value;
      this.#resourceName = next.value.resourceName;
    }
    return this.#first;
  }

  /**
   * The bytes as they were sent, of which the first is to stand at `offset`. Ends only if `finish_write` was set and nothing
   * came behind it (BS-9): when a client aborts, the stream of its messages just ends, before grpc-js tells why, so an end
   * alone proves nothing (D3).
   */
  async *content(offset: number): AsyncIterable<Uint8Array> {
    let message: Message | undefined = await this.first();
    // A message may have megabytes, and the upload stand still for a while: none is held while the next is waited for.
    this.#first = undefined;
    while (message) {
      this.#check(message, offset);
      this.#receivedBytes += message.data.length;
      yield* piecesOf(message.data);
      const isLast: boolean = message.finishWrite;
      message = undefined;
      message = await this.#behind(isLast);
    }
    this.#isFinished = true;
  }

  /** The next message; `undefined` behind the last one, where nothing may come. */
  async #behind(isLast: boolean): Promise<Message | undefined> {
    const next = await this.#next();
    if (isLast && next.done !== true) throw invalid('A message follows the one with finish_write');
    if (!isLast && next.done === true) {
      throw this.break(invalid(`The upload ended after ${this.#receivedBytes} bytes without finish_write`));
    }
    return next.done === true ? undefined : next.value;
  }

  /** Takes nothing more of the stream. The first reason counts, and is returned. */
  break(reason: StatusError): StatusError {
    this.#brokenBy ??= reason;
    this.#resolveBroken(this.#brokenBy);
    this.#interrupt(this.#brokenBy);
    return this.#brokenBy;
  }

  [Symbol.dispose](): void {
    this.#over.abort();
    // Not awaited: it may stand behind a message that never comes.
    this.#messages.return?.().catch(() => undefined);
    // What is kept to be gone on with does not keep the call.
    this.#messages = noMessages;
  }

  #next(): Promise<IteratorResult<Message>> {
    return new Promise((resolve, reject) => {
      this.#interrupt = reject;
      if (this.#brokenBy) reject(this.#brokenBy);
      this.#waitingSinceMs = this.#options.clock.now();
      this.#messages.next().then(
        (result) => {
          this.#waitingSinceMs = undefined;
          resolve(result);
        },
        (reason: unknown) => this.break(StatusError.from(reason)),
      );
    });
  }

  /** One timer for all messages, of which there may be thousands a second. */
  async #watch(): Promise<void> {
    const { clock, idleMs } = this.#options;
    for (let leftMs = idleMs; leftMs > 0;) {
      await clock.sleep(leftMs, this.#over.signal);
      if (this.#over.signal.aborted) return;
      leftMs = this.#waitingSinceMs === undefined ? idleMs : this.#waitingSinceMs + idleMs - clock.now();
    }
    this.break(new StatusError(Code.Aborted, `No message of the upload has come for ${idleMs / 1000} s; try again`));
  }

  /** BS-7, BS-8: one name, and offsets without gaps; of what travels, also where that is compressed. */
  #check({ resourceName, writeOffset }: Message, offset: number): void {
    const wanted = this.#resourceName;
    if (resourceName !== '' && resourceName !== wanted) {
      throw invalid(`A message names ${quoted(resourceName)}, not ${quoted(wanted)} as the first did`);
    }
    const position = offset + this.#receivedBytes;
    if (writeOffset !== position) throw wrongOffset(writeOffset, position);
  }
}

function* piecesOf(data: Uint8Array): Iterable<Uint8Array> {
  if (data.length <= largeMessageBytes) {
    if (data.length > 0) yield data;
    return;
  }
  const end = data.length - copiedBytes;
  yield data.subarray(0, end);
  yield Buffer.from(data.subarray(end));
}

/** The error for a message that does not go on where its upload stands (BS-8). */
export function wrongOffset(found: number, wanted: number): StatusError {
  return invalid(`A message has write_offset ${found}, but ${wanted} bytes have come before it`);
}

function invalid(message: string): StatusError {
  return new StatusError(Code.InvalidArgument, message);
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 300));
}
