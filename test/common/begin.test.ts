import assert from 'node:assert/strict';
import { begin } from '../../src/common/begin.js';

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

describe('begin', () => {
  it('gives all items of a source that starts, also of an empty one', async () => {
    assert.deepEqual(await collect(await begin(of(1, 2, 3))), [1, 2, 3]);
    assert.deepEqual(await collect(await begin(of())), []);
  });

  it('rejects when the first pull does', async () => {
    await assert.rejects(begin(failingAfter()), /broken/);
  });

  it('leaves a failure behind the first item to whoever iterates', async () => {
    const source = await begin(failingAfter(1));

    await assert.rejects(collect(source), /broken/);
  });

  it('closes the source of an iteration that stops early', async () => {
    let isClosed = false;
    const source = await begin(
      (async function* () {
        try {
          yield* [1, 2];
        } finally {
          isClosed = true;
        }
      })(),
    );

    for await (const item of source) if (item === 1) break;

    assert.equal(isClosed, true);
  });
});

async function* of(...items: readonly number[]): AsyncIterable<number> {
  yield* items;
}

async function* failingAfter(...items: readonly number[]): AsyncIterable<number> {
  yield* items;
  throw new Error('broken');
}
