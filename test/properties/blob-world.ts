import assert from 'node:assert/strict';
import { join } from 'node:path';
import { collectBytes } from '../../src/common/async-iteration.js';
import { Code } from '../../src/common/code.js';
import { StatusError } from '../../src/common/status-error.js';
import type { BlobStore } from '../../src/blobstore/blob-store.js';
import type { Digest } from '../../src/digest/digest.js';
import { chunks } from '../helpers/chunks.js';
import type { FakeClock } from '../helpers/fake-clock.js';
import { failing, inChunks } from '../blobstore/contract/blob-store.js';
import { BlobModel, type Observation, type Promises } from './blob-model.js';
import {
  type Damage,
  type Operation,
  type Step,
  blobsBrought,
  blobsUsed,
  blobsWritten,
  universe,
} from './blob-steps.js';
import { HeldRead } from './held-read.js';
import { bytesBelow, spoil } from './spoil.js';

/** A store that is open, and what can be done to it besides. */
export interface OpenedStore extends AsyncDisposable {
  /** As clients reach it: whatever comes out of it has been verified. */
  readonly store: BlobStore;
  /** Takes a part of it away that it can do without, or brings it back. */
  setDown?(isDown: boolean): void;
}

/** A kind of store, and what it promises. */
export interface Arrangement extends Promises {
  open(folder: string, clock: FakeClock): Promise<OpenedStore>;
  /** Folders whose files may be damaged, below the folder of the store. @defaultValue none */
  readonly fragile?: readonly string[];
  /** Whether a write that fails for want of room or of a part may leave the blob all the same. */
  readonly failsHalfWay?: boolean;
  /** Whether what is reported as missing may be read all the same. */
  readonly readsWhatIsGone?: boolean;
}

/** What happens at the same time. */
interface Group {
  readonly mustBeThere: ReadonlySet<number>;
  readonly mustBeGone: ReadonlySet<number>;
  readonly mayRefuse: boolean;
  readonly deleted: ReadonlySet<number>;
}

/** Both from 0 to 1, in whatever order. */
interface Part {
  readonly from: number;
  readonly to: number;
}

const whole: Part = { from: 0, to: 1 };

/** A store that things happen to, one after the other or together, and what was seen of it. */
export class BlobWorld implements AsyncDisposable {
  readonly #arrangement: Arrangement;
  readonly #folder: string;
  readonly #clock: FakeClock;
  readonly #model: BlobModel;
  #opened: OpenedStore;
  #taken = 0;
  readonly #readers: HeldRead[] = [];

  private constructor(arrangement: Arrangement, folder: string, clock: FakeClock, opened: OpenedStore) {
    this.#arrangement = arrangement;
    this.#folder = folder;
    this.#clock = clock;
    this.#opened = opened;
    this.#model = new BlobModel(arrangement);
  }

  static async open(arrangement: Arrangement, folder: string, clock: FakeClock): Promise<BlobWorld> {
    return new BlobWorld(arrangement, folder, clock, await arrangement.open(folder, clock));
  }

  /** Rejects if the store does what it must not do. */
  async take(step: Step): Promise<void> {
    try {
      await this.#take(step);
    } catch (reason) {
      throw new Error(`Step ${this.#taken} went wrong: ${JSON.stringify(step)}`, { cause: reason });
    }
  }

  async #take(step: Step): Promise<void> {
    this.#taken += 1;
    this.#clock.advance(1_000);
    switch (step.kind) {
      case 'do':
        return this.#together([step.operation]);
      case 'together':
        return this.#together(step.operations);
      case 'hold':
        return this.#hold(step.blob);
      case 'release':
        return this.#release();
      case 'pass':
        this.#clock.advance(step.ms);
        this.#model.settle(this.#clock.now());
        return;
      case 'outage':
        if (this.#opened.setDown) this.#model.isDown = step.lasts;
        this.#opened.setDown?.(step.lasts);
        return;
      case 'restart':
        return this.#restart(step.damage);
    }
  }

  /** Nothing holds any more, and everything must be as the model says. */
  async finish(): Promise<void> {
    await this.#release();
    this.#opened.setDown?.(false);
    this.#model.isDown = false;
    for (const blob of universe.keys()) await this.#together([{ kind: 'read', blob }]);
    await this.#together([{ kind: 'findMissing', blobs: [...universe.keys()] }]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const reader of this.#readers) await reader.abandon();
    await this.#opened[Symbol.asyncDispose]();
  }

  async #together(operations: readonly Operation[]): Promise<void> {
    const model = this.#model;
    const written = new Set(operations.flatMap(blobsWritten));
    const deleted = new Set(operations.flatMap((each) => (each.kind === 'delete' ? each.blobs : [])));
    const newBytes = operations.flatMap(blobsBrought).reduce((total, blob) => total + sizeOf(blob), 0);
    model.settle(this.#clock.now(), newBytes);
    const all = [...universe.keys()];
    const group: Group = {
      mustBeThere: new Set(all.filter((blob) => model.mustBeThere(blob) && !deleted.has(blob))),
      mustBeGone: new Set(all.filter((blob) => model.mustBeGone(blob) && !written.has(blob))),
      mayRefuse: model.mayRefuse(newBytes, new Set(operations.flatMap(blobsUsed))),
      deleted,
    };
    for (const reader of this.#readers) reader.mayBreak ||= deleted.has(reader.blob);
    const observed = await Promise.all(operations.map((operation) => this.#perform(operation, group)));
    model.learn(observed.flat());
    // Once more: what was seen in the beginning may have had to make room for what came in the end.
    model.settle(this.#clock.now(), newBytes);
  }

  #perform(operation: Operation, group: Group): Promise<readonly Observation[]> {
    switch (operation.kind) {
      case 'write':
        return this.#write(operation.blob, operation.pieces, group);
      case 'writeBatch':
        return this.#writeBatch(operation.blobs, group);
      case 'writeWrong':
        return this.#writeWrong(operation, group);
      case 'read':
        return this.#read(operation.blob, group);
      case 'readPart':
        return this.#read(operation.blob, group, operation);
      case 'findMissing':
        return this.#findMissing(operation.blobs, group);
      case 'delete':
        return this.#delete(operation.blobs);
    }
  }

  async #write(blob: number, pieces: number, group: Group): Promise<readonly Observation[]> {
    const { data, digest } = universe[blob]!;
    const content = inChunks(data, Math.ceil(data.length / pieces));
    const failure = await reasonOf(this.#opened.store.write(digest, content));
    return [this.#noteWrite(blob, failure, group)];
  }

  async #writeBatch(blobs: readonly number[], group: Group): Promise<readonly Observation[]> {
    try {
      const outcomes = await this.#opened.store.writeBatch(blobs.map((blob) => universe[blob]!));
      assert.equal(outcomes.length, blobs.length);
      return blobs.map((blob, index) => this.#noteWrite(blob, outcomes[index], group));
    } catch (reason) {
      return blobs.map((blob) => this.#noteWrite(blob, StatusError.from(reason), group));
    }
  }

  #noteWrite(blob: number, failure: StatusError | undefined, { mayRefuse, deleted }: Group): Observation {
    if (!failure) return { blob, seen: 'there', by: 'write' };
    const isLawful = failure.code === Code.ResourceExhausted ? mayRefuse : this.#isOutage(failure);
    assert.ok(isLawful || this.#isCrossed(blob, failure, deleted), `Blob ${blob} was refused: ${failure.stack ?? ''}`);
    const isUnsure = this.#arrangement.failsHalfWay === true || !this.#model.mustBeGone(blob);
    return { blob, seen: isUnsure ? 'unsure' : 'gone', by: 'write' };
  }

  /** Wrong content leaves nothing. Where the blob is there already, nobody needs to look at the content. */
  async #writeWrong(
    { blob, fault }: Operation & { readonly kind: 'writeWrong' },
    { mustBeGone, mayRefuse, deleted }: Group,
  ): Promise<readonly Observation[]> {
    const { data, digest } = universe[blob]!;
    const other = Buffer.from(data);
    other[other.length - 1]! ^= 1;
    const content = {
      short: () => chunks(data.subarray(0, -1)),
      long: () => chunks(data, '!'),
      other: () => chunks(other),
      broken: failing,
    }[fault];
    const failure = await reasonOf(this.#opened.store.write(digest, content()));
    if (!failure) {
      assert.ok(!mustBeGone.has(blob), `Blob ${blob} was stored with content that is ${fault}`);
      return [];
    }
    const expected: Code[] = [fault === 'broken' ? Code.Unavailable : Code.InvalidArgument];
    // The content of one byte breaks off after two: that is too long.
    if (fault === 'broken') expected.push(Code.InvalidArgument);
    if (mayRefuse) expected.push(Code.ResourceExhausted);
    const isTrouble = this.#isOutage(failure) || this.#isCrossed(blob, failure, deleted);
    assert.ok(expected.includes(failure.code) || isTrouble, failure.stack);
    return [];
  }

  async #read(blob: number, group: Group, part: Part = whole): Promise<readonly Observation[]> {
    const { data } = universe[blob]!;
    const [offset = 0, end = 0] = [part.from, part.to].map((each) => Math.floor(each * data.length)).sort(byNumber);
    const found = await this.#bytesOf(blob, offset, end);
    if (found instanceof StatusError) return [this.#noteLoss(blob, found, group)];
    assert.ok(found.equals(data.subarray(offset, end)), `Blob ${blob} has wrong bytes`);
    this.#checkThere(blob, group.mustBeGone.has(blob));
    return [this.#noteRead(blob)];
  }

  #checkThere(blob: number, mustBeGone: boolean): void {
    const isAllowed = !mustBeGone || this.#arrangement.readsWhatIsGone === true;
    assert.ok(isAllowed, `Blob ${blob} was never stored, or was deleted, but is there`);
  }

  #noteRead(blob: number): Observation {
    return { blob, seen: this.#arrangement.readsWhatIsGone ? 'unsure' : 'there', by: 'read' };
  }

  /** Damage of a large blob shows when much of it is out already; whoever asks again gets it from elsewhere. */
  async #bytesOf(blob: number, offset: number, end: number): Promise<Buffer | StatusError> {
    const { data, digest } = universe[blob]!;
    const range = end - offset === data.length ? {} : { offset, limit: end - offset };
    for (let mayRepeat = this.#arrangement.heals; ; mayRepeat = false) {
      try {
        return await collectBytes(this.#opened.store.read(digest, range));
      } catch (reason) {
        const error = StatusError.from(reason);
        if (error.code !== Code.DataLoss || !mayRepeat) return error;
      }
    }
  }

  #noteLoss(blob: number, failure: StatusError, { mustBeThere }: Group): Observation {
    assert.ok(!mustBeThere.has(blob), `Blob ${blob} cannot be read: ${failure.stack ?? ''}`);
    if (this.#isOutage(failure)) return { blob, seen: 'unsure', by: 'read' };
    const isDamage = failure.code === Code.DataLoss && this.#model.isDoubtful(blob);
    assert.ok(isDamage || failure.code === Code.NotFound, failure.stack);
    return { blob, seen: 'gone', by: 'read' };
  }

  async #findMissing(blobs: readonly number[], { mustBeThere, mustBeGone }: Group): Promise<readonly Observation[]> {
    const keys = new Map(blobs.map((blob) => [universe[blob]!.digest.key, blob]));
    let missing: readonly Digest[];
    try {
      missing = await this.#opened.store.findMissing(blobs.map((blob) => universe[blob]!.digest));
    } catch (reason) {
      assert.ok(this.#isOutage(StatusError.from(reason)), String(reason));
      return [];
    }
    const absent = missing.map(({ key }) => keys.get(key)!);
    assert.equal(new Set(absent).size, missing.length);
    for (const blob of absent) assert.ok(!mustBeThere.has(blob), `Blob ${blob} is missing`);
    for (const blob of blobs) {
      assert.ok(absent.includes(blob) || !mustBeGone.has(blob), `Blob ${blob} is said to be there`);
    }
    return blobs.map((blob) => ({ blob, seen: absent.includes(blob) ? 'gone' : 'there', by: 'find' }));
  }

  async #delete(blobs: readonly number[]): Promise<readonly Observation[]> {
    const failure = await reasonOf(this.#opened.store.delete(blobs.map((blob) => universe[blob]!.digest)));
    assert.ok(!failure || this.#isOutage(failure), failure?.stack);
    return blobs.map((blob) => ({ blob, seen: failure ? 'unsure' : 'gone', by: 'delete' }));
  }

  async #hold(blob: number): Promise<void> {
    this.#model.settle(this.#clock.now());
    const mayFail = !this.#model.mustBeThere(blob) || this.#model.isDoubtful(blob);
    const release = this.#model.hold(blob);
    const reader = await HeldRead.begin(this.#opened.store, blob, release);
    if (reader instanceof StatusError) {
      release();
      assert.ok(mayFail, `Blob ${blob} cannot be read: ${reader.stack ?? ''}`);
      return;
    }
    this.#readers.push(reader);
    reader.mayBreak = this.#model.isDoubtful(blob);
    this.#checkThere(blob, this.#model.mustBeGone(blob));
    this.#model.learn([{ ...this.#noteRead(blob), by: 'begin' }]);
  }

  async #release(): Promise<void> {
    for (const reader of this.#readers.splice(0)) await reader.finish();
  }

  async #restart(damage: readonly Damage[]): Promise<void> {
    await this.#release();
    await this.#opened[Symbol.asyncDispose]();
    await this.#checkBudget();
    let isDamaged = false;
    for (const each of damage)
      isDamaged = (await spoil(this.#folder, this.#arrangement.fragile ?? [], each)) || isDamaged;
    this.#opened = await this.#arrangement.open(this.#folder, this.#clock);
    this.#model.isDown = false;
    this.#model.restart(isDamaged);
    this.#model.settle(this.#clock.now());
  }

  async #checkBudget(): Promise<void> {
    const { maxBytes = Infinity, fragile = [] } = this.#arrangement;
    let usedBytes = 0;
    for (const part of fragile) usedBytes += await bytesBelow(join(this.#folder, part));
    assert.ok(usedBytes <= maxBytes, `There are ${usedBytes} bytes on the disk, ${maxBytes} are allowed`);
  }

  /** The second copy of what is being deleted, or turns out to be damaged, may not come about: a client tries again. */
  #isCrossed(blob: number, { code }: StatusError, deleted: ReadonlySet<number>): boolean {
    const mayVanish = deleted.has(blob) || this.#model.isDoubtful(blob);
    return this.#arrangement.failsHalfWay === true && mayVanish && code === Code.Unavailable;
  }

  #isOutage({ code }: StatusError): boolean {
    return this.#model.isDown && code === Code.Unavailable;
  }
}

function sizeOf(blob: number): number {
  return universe[blob]!.digest.sizeBytes;
}

async function reasonOf(doing: Promise<void>): Promise<StatusError | undefined> {
  return doing.then(
    () => undefined,
    (reason: unknown) => StatusError.from(reason),
  );
}

function byNumber(a: number, b: number): number {
  return a - b;
}
