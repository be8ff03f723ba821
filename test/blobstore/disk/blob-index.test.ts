import assert from 'node:assert/strict';
import fc from 'fast-check';
import { BlobIndex, isKept, ownFile } from '../../../src/blobstore/disk/blob-index.js';
import { digestAt } from '../../../src/blobstore/disk/blob-slot.js';
import type { PackPlace } from '../../../src/blobstore/packs/pack-place.js';
import { Digest } from '../../../src/digest/digest.js';
import { SHA256, digestFunctions } from '../../../src/digest/digest-function.js';
import { FakeClock } from '../../helpers/fake-clock.js';

interface Known {
  readonly place: PackPlace;
  promisedUntilMs: number;
  readers: number;
}

const promiseMs = 30 * 60_000;

/** Hashes that begin alike, some of them with two sizes, of all functions: they meet in the same buckets of the tables. */
const blobs = Array.from({ length: 24 }, (_, number) => {
  const fn = number < 12 ? SHA256 : digestFunctions[number % 5]!;
  const start = number % 3 === 0 ? 'ff' : '00';
  const end = (number % 7).toString(16).padStart(2, '0');
  return Digest.from(start.padEnd(fn.hexLength - 2, '0') + end, number % 4 === 3 ? 2 ** 33 + number : 1 + number, fn);
});

/** The index beside what it should be: blobs in the order of their last use. */
class Comparison {
  readonly clock: FakeClock;
  readonly index: BlobIndex;
  readonly model = new Map<Digest, Known>();
  readonly pins: (() => void)[] = [];

  constructor(now: string) {
    this.clock = new FakeClock(Date.parse(now));
    this.index = new BlobIndex(this.clock);
  }

  wait(number: number): void {
    this.clock.advance(number * 120_000);
  }

  addFile(number: number): void {
    this.#add(blobs[number]!, ownFile);
  }

  addPacked(number: number): void {
    this.#add(blobs[number]!, { segment: 1 + number, offset: 2 ** 32 - 1 - number });
  }

  touch(number: number): void {
    assert.equal(this.index.touch(blobs[number]!), this.#use(blobs[number]!) !== undefined);
  }

  promise(number: number): void {
    assert.equal(this.index.promise(blobs[number]!), this.#promise(blobs[number]!));
  }

  promiseText(number: number): void {
    const { function: fn, hash, sizeBytes } = blobs[number]!;
    const isPresent = this.index.promiseText(fn, Buffer.from(`->${hash}<-`), 2, sizeBytes);
    assert.equal(isPresent, this.#promise(blobs[number]!));
  }

  remove(number: number): void {
    assert.deepEqual(this.index.remove(blobs[number]!), this.model.get(blobs[number]!)?.place);
    this.model.delete(blobs[number]!);
  }

  pin(number: number): void {
    const unpin = this.index.pin(blobs[number]!);
    const known = this.#use(blobs[number]!);
    assert.equal(unpin !== undefined, known !== undefined);
    if (!unpin || !known) return;
    known.readers += 1;
    this.pins.push(() => {
      unpin();
      known.readers -= 1;
    });
  }

  unpin(number: number): void {
    this.pins.splice(number % Math.max(1, this.pins.length), 1)[0]?.();
  }

  check(): void {
    const { index, model, clock } = this;
    for (const digest of blobs) assert.deepEqual(index.placeOf(digest), model.get(digest)?.place);
    assert.equal(index.count, model.size);
    assert.equal(index.sizeBytes, sum([...model.keys()]));
    assert.equal(
      index.fileBytes,
      sum([...model].filter(([, { place }]) => place === ownFile).map(([digest]) => digest)),
    );
    const mayGo = [...model].filter(
      ([, { promisedUntilMs, readers }]) => promisedUntilMs <= clock.now() && readers === 0,
    );
    assert.deepEqual(
      evictable(index, clock.now()),
      mayGo.map(([digest]) => String(digest)),
    );
  }

  #add(digest: Digest, place: PackPlace): void {
    const known = this.#use(digest);
    assert.equal(this.index.add(digest, place), known === undefined);
    if (!known) this.model.set(digest, { place, promisedUntilMs: 0, readers: 0 });
  }

  #promise(digest: Digest): boolean {
    const known = this.#use(digest);
    if (known) known.promisedUntilMs = this.clock.now() + promiseMs;
    return known !== undefined;
  }

  /** A Map remembers the order of insertion. */
  #use(digest: Digest): Known | undefined {
    const known = this.model.get(digest);
    this.model.delete(digest);
    if (known) this.model.set(digest, known);
    return known;
  }
}

function sum(digests: readonly Digest[]): number {
  return digests.reduce((total, { sizeBytes }) => total + sizeBytes, 0);
}

/** What may go, the least recently used first. */
function evictable(index: BlobIndex, nowMs: number): string[] {
  const found: { use: number; digest: string }[] = [];
  for (const table of index.tables) {
    for (let slot = 0; slot < table.slots.end; slot += 1) {
      const use = table.slots.useOf(slot);
      if (use > 0 && !isKept(table.slots, slot, nowMs / 1000))
        found.push({ use, digest: String(digestAt({ table, slot })) });
    }
  }
  return found.sort((one, other) => one.use - other.use).map(({ digest }) => digest);
}

const steps = fc.array(
  fc.tuple(
    fc.constantFrom('addFile', 'addPacked', 'touch', 'promise', 'promiseText', 'remove', 'pin', 'unpin', 'wait'),
    fc.nat(blobs.length - 1),
  ),
  { maxLength: 150 },
);

describe('BlobIndex', () => {
  // Seconds have 32 bits: with a sign they would end between.
  for (const now of ['2024-01-01', '2038-01-19T02:00Z', '2100-01-01']) {
    it(`knows its blobs, their places and sizes, and what nobody reads or was promised in ${now} in the order of use (D4)`, () => {
      fc.assert(
        fc.property(steps, (history) => {
          const comparison = new Comparison(now);

          for (const [kind, number] of history) comparison[kind](number);

          comparison.check();
        }),
        { numRuns: 300 },
      );
    });
  }

  it('finds no blob by what is no hash in lower-case hexadecimal', () => {
    const index = new BlobIndex();
    const digest = Digest.of(Buffer.from('hello'));
    index.add(digest, ownFile);
    const find = (text: string, start = 0): boolean => index.promiseText(SHA256, Buffer.from(text), start, 5);

    assert.ok(find(digest.hash));
    assert.ok(!find(digest.hash.toUpperCase()));
    assert.ok(!find(`${digest.hash.slice(0, -1)}g`));
    assert.ok(!find(digest.hash, 1));
    assert.ok(!find(digest.hash.slice(0, -1)));
    assert.ok(!find(''));
  });

  it('takes at most 150 bytes of memory for a blob, keeps all of many, and gives freed slots out again', () => {
    const index = new BlobIndex();
    const digests = Array.from({ length: 20_000 }, (_, number) => Digest.of(Buffer.from(String(number))));
    for (const digest of digests) index.add(digest, ownFile);
    assert.ok(index.memoryBytes <= 150 * digests.length, `${index.memoryBytes} bytes`);
    const before = index.memoryBytes;

    for (const digest of digests.slice(0, 10_000)) index.remove(digest);
    for (const digest of digests.slice(10_000)) assert.ok(index.touch(digest));
    for (const digest of digests.slice(0, 10_000)) assert.ok(index.add(digest, ownFile));

    assert.equal(index.count, 20_000);
    assert.equal(index.memoryBytes, before);
  });

  it('counts uses beyond 32 bits', () => {
    const index = new BlobIndex();
    const [one, two] = [Digest.of(Buffer.from('1')), Digest.of(Buffer.from('2'))];
    index.skipUsesTo(2 ** 32 - 2);
    index.add(one, ownFile);
    index.add(two, ownFile);
    assert.deepEqual(evictable(index, 0), [one, two].map(String));

    index.touch(one);

    assert.deepEqual(evictable(index, 0), [two, one].map(String));
    assert.equal(index.lastUse, 2 ** 32 + 1);
  });
});
