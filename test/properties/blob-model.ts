import { universe } from './blob-steps.js';

/** How long a blob stays after findMissing has reported it as present (D4). */
const promiseMs = 30 * 60_000;

/** So much of its room a store can use at least: some of it is taken by what lies between the blobs. */
const usableShare = 0.85;

/** What is known of a blob. */
type State = 'there' | 'gone' | 'unsure';

interface Knowledge {
  state: State;
  /** It stays until then. */
  promisedUntilMs: number;
  /** The store may think that it must keep it until then. */
  maybePromisedUntilMs: number;
  /** How many are reading it. */
  readers: number;
  /** Its bytes may be damaged, which shows when they are read. */
  isDoubtful: boolean;
  /** Where there should be two copies there may be one. */
  isSingle: boolean;
}

/** What an operation saw of a blob. */
export interface Observation {
  readonly blob: number;
  readonly seen: State;
  /** `begin` is a read that has not come to its end. */
  readonly by: 'write' | 'read' | 'begin' | 'find' | 'delete';
}

/** How a store keeps its blobs. */
export interface Promises {
  /** @defaultValue nothing is ever evicted */
  readonly maxBytes?: number;
  /** Whether what findMissing has found stays for a while (D4). */
  readonly keepsWhatWasFound: boolean;
  /** Whether it stays after a restart as well, unless that which tells of it is damaged. */
  readonly remembersWhatWasFound: boolean;
  /** Whether its blobs outlive the process. */
  readonly isDurable: boolean;
  /** Whether there is a second copy of everything that takes the place of a damaged one. */
  readonly heals: boolean;
}

/** What may be and what must be in a store, after all that has happened to it. */
export class BlobModel {
  isDown = false;
  readonly #promises: Promises;
  readonly #maxBytes: number;
  readonly #known: readonly Knowledge[] = universe.map(() => ({
    state: 'gone',
    promisedUntilMs: 0,
    maybePromisedUntilMs: 0,
    readers: 0,
    isDoubtful: false,
    isSingle: false,
  }));
  #nowMs = 0;

  constructor(promises: Promises) {
    this.#promises = promises;
    this.#maxBytes = promises.maxBytes ?? Infinity;
  }

  mustBeThere(blob: number): boolean {
    const { state, isDoubtful, isSingle } = this.#known[blob]!;
    const canHeal = this.#promises.heals && !this.isDown && !isSingle;
    return state === 'there' && (!isDoubtful || canHeal);
  }

  mustBeGone(blob: number): boolean {
    return this.#known[blob]!.state === 'gone';
  }

  /** Whether damage may come to light while it is read. */
  isDoubtful(blob: number): boolean {
    return this.#known[blob]!.isDoubtful;
  }

  /** Whether so many more bytes may be refused: all the rest is needed for what must not go, such as what is `used` now. */
  mayRefuse(sizeBytes: number, used: ReadonlySet<number>): boolean {
    const kept = universe.filter((_, blob) => {
      const { state, readers, maybePromisedUntilMs } = this.#known[blob]!;
      return state !== 'gone' && (readers > 0 || used.has(blob) || maybePromisedUntilMs > this.#nowMs);
    });
    return sum(kept) + sizeBytes > this.#maxBytes * usableShare;
  }

  /** Something begins that may bring so many bytes: what may be evicted for them is no longer sure to be there. */
  settle(nowMs: number, sizeBytes = 0): void {
    this.#nowMs = nowMs;
    const possible = universe.filter((_, blob) => this.#known[blob]!.state !== 'gone');
    if (sum(possible) + sizeBytes <= this.#maxBytes * 0.9) return;
    for (const [blob, known] of this.#known.entries()) {
      if (known.state === 'there' && !this.#isPromised(blob)) known.state = 'unsure';
    }
  }

  /** Several things happened, in whatever order. */
  learn(observations: readonly Observation[]): void {
    for (const [blob, known] of this.#known.entries()) {
      const seen = observations.filter((each) => each.blob === blob);
      if (seen.length > 0) this.#learnOf(known, seen);
    }
  }

  hold(blob: number): () => void {
    const known = this.#known[blob]!;
    known.readers += 1;
    return () => void (known.readers -= 1);
  }

  restart(isDamaged: boolean): void {
    for (const known of this.#known) {
      if (!this.#promises.isDurable) known.state = 'gone';
      if (!this.#promises.remembersWhatWasFound || isDamaged) known.promisedUntilMs = 0;
      if (!isDamaged) continue;
      known.isDoubtful = true;
      // What tells of a deletion may be damaged, too.
      if (known.state === 'gone') known.state = 'unsure';
    }
  }

  #learnOf(known: Knowledge, seen: readonly Observation[]): void {
    const { state, isStored, isHalfStored, isDeleted, isFound, isRead } = summaryOf(seen);
    known.state = state;
    if (state === 'gone') Object.assign(known, { isDoubtful: false, promisedUntilMs: 0 });
    if (isFound) known.promisedUntilMs = known.maybePromisedUntilMs = this.#nowMs + promiseMs;
    if (isStored || isFound) known.isSingle &&= this.isDown;
    if (isHalfStored) known.isSingle = true;
    if (isRead) known.isDoubtful &&= this.#promises.heals;
    if (isDeleted) known.promisedUntilMs = 0;
  }

  #isPromised(blob: number): boolean {
    return this.#promises.keepsWhatWasFound && this.#known[blob]!.promisedUntilMs > this.#nowMs;
  }
}

/** What several operations, in whatever order, say together. */
function summaryOf(seen: readonly Observation[]): {
  readonly state: State;
  readonly isStored: boolean;
  readonly isHalfStored: boolean;
  readonly isDeleted: boolean;
  readonly isFound: boolean;
  readonly isRead: boolean;
} {
  const has = (by: Observation['by'], state: State): boolean =>
    seen.some((each) => each.by === by && each.seen === state);
  const [isStored, isDeleted] = [has('write', 'there'), has('delete', 'gone')];
  const [first, ...others] = seen;
  const isAgreed = others.every((each) => each.seen === first?.seen);
  return {
    state: isAgreed && first ? first.seen : isStored && !isDeleted ? 'there' : 'unsure',
    isStored,
    isDeleted,
    isHalfStored: has('write', 'unsure'),
    isFound: has('find', 'there'),
    isRead: has('read', 'there'),
  };
}

function sum(blobs: typeof universe): number {
  return blobs.reduce((total, { digest }) => total + digest.sizeBytes, 0);
}
