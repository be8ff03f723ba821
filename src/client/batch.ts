import { Code } from '../common/code.js';
import { BackOff, isTransient, type RetryOptions } from '../common/retry.js';
import { StatusError } from '../common/status-error.js';
import type { Digest, DigestMessage } from '../digest/digest.js';
import { entryOverheadBytes } from './cas-limits.js';

/** Servers need not take more entries than this in one call. */
const maxEntries = 1_000;

/**
 * Puts entries together, in order, to batches of at most Σ(size + overhead) = `maxBytes`; an entry that is larger stands
 * alone. A batch has one digest function, as the protocol wants it (DIG-5).
 */
export class BatchPacker<Entry extends { readonly digest: Digest }> {
  readonly #maxBytes: number;
  #batch: Entry[] = [];
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Returns the batch that was made so far, if `entry` does not go into it any more. */
  add(entry: Entry): Entry[] | undefined {
    const bytes = entry.digest.sizeBytes + entryOverheadBytes;
    const full = this.#takes(entry, bytes) ? undefined : this.take();
    this.#batch.push(entry);
    this.#bytes += bytes;
    return full;
  }

  /** Ends the batch that was made so far, which may be empty. */
  take(): Entry[] {
    const batch = this.#batch;
    this.#batch = [];
    this.#bytes = 0;
    return batch;
  }

  #takes({ digest }: Entry, bytes: number): boolean {
    const [first] = this.#batch;
    if (!first) return true;
    if (first.digest.function !== digest.function || this.#batch.length >= maxEntries) return false;
    return this.#bytes + bytes <= this.#maxBytes;
  }
}

/** Makes batches of all `entries`, as a {@link BatchPacker} does. */
export function* packBatches<Entry extends { readonly digest: Digest }>(
  entries: Iterable<Entry>,
  maxBytes: number,
): Generator<Entry[]> {
  const packer = new BatchPacker<Entry>(maxBytes);
  for (const entry of entries) {
    const full = packer.add(entry);
    if (full) yield full;
  }
  const rest = packer.take();
  if (rest.length > 0) yield rest;
}

/** Finds a message of an answer by the digest it is about; answers need not keep the order of the request. */
export function wireKeyOf(digest: DigestMessage): string {
  return `${digest.hash ?? ''}/${digest.sizeBytes ?? 0}`;
}

/** How an entry of a batch ended. `isWhole` tells that the call failed, not just this entry. */
export type EntryOutcome<Value> =
  { readonly value: Value } | { readonly reason: StatusError; readonly isWhole?: boolean };

/** Makes one batch call; one outcome for each entry, in order. */
export type BatchCall<Entry, Value> = (entries: readonly Entry[]) => Promise<readonly EntryOutcome<Value>[]>;

/** Calls until every entry has its value or a failure that a repetition would not cure; repeats only those it may. */
export async function runBatch<Entry, Value>(
  entries: readonly Entry[],
  call: BatchCall<Entry, Value>,
  options: RetryOptions,
  signal?: AbortSignal,
): Promise<readonly EntryOutcome<Value>[]> {
  const { shouldRetry = isTransient } = options;
  const backOff = new BackOff(options);
  const outcomes = new Map<Entry, EntryOutcome<Value>>();
  for (let pending = entries; pending.length > 0;) {
    const latest = await outcomesOf(pending, call);
    const again: { readonly entry: Entry; readonly reason: StatusError }[] = [];
    for (const [index, entry] of pending.entries()) {
      const outcome = latest[index] ?? { reason: new StatusError(Code.Internal, 'The server left the entry out') };
      outcomes.set(entry, outcome);
      if ('reason' in outcome && shouldRetry(outcome.reason)) again.push({ entry, reason: outcome.reason });
    }
    pending = (await isWorthwhile(backOff, again[0]?.reason, signal)) ? again.map(({ entry }) => entry) : [];
  }
  return entries.map((entry) => outcomes.get(entry)) as EntryOutcome<Value>[];
}

async function outcomesOf<Entry, Value>(
  entries: readonly Entry[],
  call: BatchCall<Entry, Value>,
): Promise<readonly EntryOutcome<Value>[]> {
  try {
    return await call(entries);
  } catch (reason) {
    const failure = { reason: StatusError.from(reason), isWhole: true };
    return entries.map(() => failure);
  }
}

/** Waits before a repetition; false if there is none. */
async function isWorthwhile(backOff: BackOff, reason: StatusError | undefined, signal?: AbortSignal): Promise<boolean> {
  if (!reason) return false;
  try {
    await backOff.pause(reason, signal);
    return true;
  } catch {
    return false; // The outcomes tell why.
  }
}
