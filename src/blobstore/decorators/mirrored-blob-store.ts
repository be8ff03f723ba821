import { forEachConcurrently } from '../../common/async-iteration.js';
import { begin } from '../../common/begin.js';
import { Code } from '../../common/code.js';
import { type Logger, silentLogger } from '../../common/logger.js';
import { OutageLog } from '../../common/outage-log.js';
import { StatusError } from '../../common/status-error.js';
import { TrailingCopy } from '../../common/trailing-copy.js';
import type { Digest } from '../../digest/digest.js';
import { type Blob, BlobNotFoundError, type BlobStore, type ByteRange, type WriteOutcome } from '../blob-store.js';
import { isTrouble } from '../is-trouble.js';
import { resolveRange } from '../resolve-range.js';

interface Side {
  readonly store: BlobStore;
  readonly outages: OutageLog;
}

/** What a side said: its answer, or why it has none. */
type Answer<T> = { readonly value: T } | { readonly reason: StatusError };

/** So many blobs are copied at a time when one side lacks them. */
const copiesAtATime = 16;

/** So many reads at a time bring back what a side lacks, each with up to 2 MiB in memory (U4); others just read. */
const maxCopies = 64;

/**
 * Keeps every blob twice, on two sides that are each verified. A write is acknowledged when both have it. A blob that one
 * side has lost or damaged is copied back from the other when it is read as a whole or asked for by findMissing.
 *
 * While one side is down, reads go on from the other; writes fail with UNAVAILABLE, for there would be one copy only. A
 * blob that the living side lacks may still be on the other, so it is UNAVAILABLE too, and never told as missing: whoever
 * believed that would forget action results that are all right.
 */
export class MirroredBlobStore implements BlobStore {
  readonly #sides: readonly [Side, Side];
  /** Asked first for reads: not one that has just failed. */
  #preferred: 0 | 1 = 0;
  #copies = 0;

  constructor(first: BlobStore, second: BlobStore, logger: Logger = silentLogger) {
    this.#sides = [
      { store: first, outages: new OutageLog('the first side of a mirror', logger) },
      { store: second, outages: new OutageLog('the second side of a mirror', logger) },
    ];
  }

  async findMissing(digests: readonly Digest[], signal?: AbortSignal): Promise<Digest[]> {
    const ask = (side: Side): Promise<Answer<Digest[]>> =>
      this.#answerOf(side, () => side.store.findMissing(digests, signal));
    const [first, second] = await Promise.all([ask(this.#sides[0]), ask(this.#sides[1])]);
    const [living, other] = 'value' in first ? [first, second] : [second, first];
    if ('reason' in living) throw living.reason;
    if ('value' in other) return this.#reconcile(digests, [living.value, other.value], signal);
    if (!isTrouble(other.reason.code)) throw other.reason;
    if (living.value.length === 0) return [];
    throw unavailable(`${living.value.length} blobs may be on the side of the mirror that is down`, other.reason);
  }

  async *read(digest: Digest, range?: ByteRange, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    const { length } = resolveRange(digest, range);
    const [near, far] = this.#preferred === 0 ? this.#sides : ([this.#sides[1], this.#sides[0]] as const);
    const ask = (side: Side, part = range): Promise<Answer<AsyncIterable<Uint8Array>>> =>
      this.#answerOf(side, () => begin(side.store.read(digest, part, signal)));
    const first = await ask(near);
    if ('value' in first) {
      yield* first.value;
      return;
    }
    signal?.throwIfAborted();
    // What is to be restored is shared, so it is not in the reader's memory.
    const second = await ask(far, { ...range, chunks: undefined });
    if ('reason' in second) throw neither(first.reason, second.reason);
    if (isTrouble(first.reason.code)) this.#preferred = this.#preferred === 0 ? 1 : 0;
    const canRestore = length === digest.sizeBytes && this.#copies < maxCopies;
    const isLost = first.reason instanceof BlobNotFoundError;
    yield* isLost && canRestore ? this.#restoring(digest, second.value, near, signal) : second.value;
  }

  /** One side after the other: a client that stalls, or a side that is busy, then holds only one of them. */
  async write(digest: Digest, content: AsyncIterable<Uint8Array>, signal?: AbortSignal): Promise<void> {
    const [first, second] = this.#sides;
    await this.#mustDo(first, () => first.store.write(digest, content, signal));
    await this.#mustDo(second, () => second.store.write(digest, first.store.read(digest, {}, signal), signal));
  }

  async writeBatch(blobs: readonly Blob[], signal?: AbortSignal): Promise<readonly WriteOutcome[]> {
    const write = (side: Side): Promise<readonly WriteOutcome[]> =>
      this.#mustDo(side, () => side.store.writeBatch(blobs, signal));
    const [first, second] = await this.#onBoth(write);
    return blobs.map((_, index) => first[index] ?? second[index]);
  }

  async delete(digests: readonly Digest[], signal?: AbortSignal): Promise<void> {
    await this.#onBoth((side) => this.#mustDo(side, () => side.store.delete(digests, signal)));
  }

  /** Rejects only when both have ended: nothing goes on behind the back of a caller, who may then close the stores. */
  async #onBoth<T>(task: (side: Side) => Promise<T>): Promise<readonly [T, T]> {
    const [first, second] = [task(this.#sides[0]), task(this.#sides[1])];
    await Promise.allSettled([first, second]);
    return [await first, await second];
  }

  /** Returns what both sides lack; what only one lacks is copied there. */
  async #reconcile(
    digests: readonly Digest[],
    [lackedByFirst, lackedBySecond]: readonly [readonly Digest[], readonly Digest[]],
    signal?: AbortSignal,
  ): Promise<Digest[]> {
    const [first, second] = this.#sides;
    const lostByFirst = difference(lackedByFirst, lackedBySecond);
    const nowhere = [
      ...difference(lackedByFirst, lostByFirst),
      ...(await this.#restore(lostByFirst, { from: second, to: first }, signal)),
      ...(await this.#restore(difference(lackedBySecond, lackedByFirst), { from: first, to: second }, signal)),
    ];
    const keys = new Set(nowhere.map(({ key }) => key));
    return [...new Map(digests.map((digest) => [digest.key, digest])).values()].filter(({ key }) => keys.has(key));
  }

  /** Copies blobs and returns those that were not there any more. One that cannot be copied is still there once. */
  async #restore(
    digests: readonly Digest[],
    { from, to }: { readonly from: Side; readonly to: Side },
    signal?: AbortSignal,
  ): Promise<readonly Digest[]> {
    const gone: Digest[] = [];
    await forEachConcurrently(digests, copiesAtATime, async (digest) => {
      const copied = await this.#answerOf(to, () =>
        to.store.write(digest, from.store.read(digest, {}, signal), signal),
      );
      signal?.throwIfAborted();
      if ('reason' in copied && copied.reason instanceof BlobNotFoundError) gone.push(digest);
    });
    return gone;
  }

  async *#restoring(
    digest: Digest,
    content: AsyncIterable<Uint8Array>,
    to: Side,
    signal?: AbortSignal,
  ): AsyncIterable<Uint8Array> {
    this.#copies += 1;
    const copy = new TrailingCopy((bytes) => to.store.write(digest, bytes, signal), {
      onFailure: (reason) => this.#note(to, StatusError.from(reason)),
    });
    try {
      yield* copy.passing(content);
    } finally {
      await copy.end(true);
      this.#copies -= 1;
    }
  }

  async #answerOf<T>(side: Side, ask: () => Promise<T>): Promise<Answer<T>> {
    try {
      const value = await ask();
      side.outages.answered();
      return { value };
    } catch (reason) {
      return { reason: this.#note(side, StatusError.from(reason)) };
    }
  }

  async #mustDo<T>(side: Side, task: () => Promise<T>): Promise<T> {
    const answer = await this.#answerOf(side, task);
    if ('value' in answer) return answer.value;
    const { reason } = answer;
    const isTold = !isTrouble(reason.code) || tellsWhy.has(reason.code);
    if (isTold && !(reason instanceof BlobNotFoundError)) throw reason;
    throw unavailable('One side of the mirror does not take what must be on both', reason);
  }

  #note(side: Side, reason: StatusError): StatusError {
    if (isTrouble(reason.code)) side.outages.failed(reason.message);
    return reason;
  }
}

/** What a full side and one that cannot delete say by themselves. */
const tellsWhy = new Set<Code>([Code.ResourceExhausted, Code.Unimplemented]);

function difference(digests: readonly Digest[], others: readonly Digest[]): readonly Digest[] {
  const keys = new Set(others.map(({ key }) => key));
  return digests.filter(({ key }) => !keys.has(key));
}

function neither(first: StatusError, second: StatusError): StatusError {
  if (!isTrouble(first.code)) return isTrouble(second.code) ? unavailable('The blob may be there', second) : first;
  return unavailable('The blob may be there', first);
}

function unavailable(what: string, reason: StatusError): StatusError {
  return new StatusError(Code.Unavailable, `${what}: ${reason.message}`, { cause: reason });
}
