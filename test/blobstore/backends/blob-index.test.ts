import assert from 'node:assert/strict';
import fc from 'fast-check';
import { BlobIndex } from '../../../src/blobstore/backends/blob-index.js';

const promiseMs = 100;

/** The index beside what it should be: blobs in the order of their last use with their promises, and who reads what. */
class Comparison {
  readonly index = new BlobIndex();
  readonly model = new Map<string, number>();
  readonly pins = new Map<string, (() => void)[]>();
  nowMs = 1_000;

  wait(ms: number): void {
    this.nowMs += ms;
  }

  add(blob: number): void {
    this.index.add(nameOf(blob), blob);
    this.#use(nameOf(blob), 0);
  }

  touch(blob: number): void {
    this.#touch(nameOf(blob), 0);
  }

  promise(blob: number): void {
    this.#touch(nameOf(blob), this.nowMs + promiseMs);
  }

  remove(blob: number): void {
    assert.equal(this.index.remove(nameOf(blob)), this.model.delete(nameOf(blob)));
  }

  pin(blob: number): void {
    const key = nameOf(blob);
    this.pins.set(key, [...(this.pins.get(key) ?? []), this.index.pin(key)]);
  }

  unpin(blob: number): void {
    this.pins.get(nameOf(blob))?.pop()?.();
  }

  /** What may go, by the model. */
  evictable(): string[] {
    const mayGo = ([key, promisedUntilMs]: [string, number]): boolean =>
      promisedUntilMs <= this.nowMs && (this.pins.get(key)?.length ?? 0) === 0;
    return [...this.model].filter(mayGo).map(([key]) => key);
  }

  usedBytes(): number {
    return [...this.model.keys()].reduce((sum, key) => sum + Number(key), 0);
  }

  #touch(key: string, promisedUntilMs: number): void {
    assert.equal(this.index.touch(key, promisedUntilMs), this.model.has(key));
    if (this.model.has(key)) this.#use(key, promisedUntilMs);
  }

  #use(key: string, promisedUntilMs: number): void {
    const before = this.model.get(key) ?? 0;
    this.model.delete(key);
    this.model.set(key, Math.max(before, promisedUntilMs));
  }
}

/** A blob is known by its size. */
function nameOf(blob: number): string {
  return String(blob);
}

const steps = fc.array(
  fc.tuple(fc.constantFrom('add', 'touch', 'promise', 'remove', 'pin', 'unpin', 'wait'), fc.nat(7)),
  { maxLength: 80 },
);

describe('BlobIndex', () => {
  it('gives up only what nobody reads or was promised, the least recently used first (D4)', () => {
    fc.assert(
      fc.property(steps, (history) => {
        const comparison = new Comparison();

        for (const [kind, number] of history) comparison[kind](kind === 'wait' ? number * 10 : number);

        const { index, nowMs, model } = comparison;
        assert.deepEqual([...index.evictable(nowMs)], comparison.evictable());
        assert.equal(index.count, model.size);
        assert.equal(index.usedBytes, comparison.usedBytes());
      }),
    );
  });

  it('looks at each blob once, however much is used while it is iterated', () => {
    const index = new BlobIndex();
    for (const key of ['a', 'b', 'c']) index.add(key, 1);
    const seen: string[] = [];

    for (const key of index.evictable(0)) {
      seen.push(key);
      index.touch(key);
    }

    assert.deepEqual(seen, ['a', 'b', 'c']);
  });
});
