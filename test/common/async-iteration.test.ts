import assert from 'node:assert/strict';
import { bytesOnce, collectBytes, forEachConcurrently, inParts } from '../../src/common/async-iteration.js';
import { chunks } from '../helpers/chunks.js';

describe('collectBytes', () => {
  it('joins chunks', async () => {
    assert.equal(String(await collectBytes(chunks('a', '', 'bc'))), 'abc');
    assert.equal((await collectBytes(chunks())).length, 0);
  });

  it('stops at a source that has more than was announced', async () => {
    await assert.rejects(collectBytes(chunks('ab', 'cd'), 3), RangeError);
  });
});

describe('bytesOnce', () => {
  it('yields bytes as one chunk, and no chunk for none', async () => {
    const lengths = async (bytes: Uint8Array): Promise<number[]> => {
      const found: number[] = [];
      for await (const chunk of bytesOnce(bytes)) found.push(chunk.length);
      return found;
    };

    assert.deepEqual(await lengths(Buffer.from('abc')), [3]);
    assert.deepEqual(await lengths(Buffer.alloc(0)), []);
  });
});

describe('inParts', () => {
  async function partsOf(partBytes: number, ...texts: string[]): Promise<string[]> {
    const parts: string[] = [];
    for await (const part of inParts(chunks(...texts), partBytes)) parts.push(String(part));
    return parts;
  }

  it('cuts chunks anew, whatever their sizes, and ends with the rest', async () => {
    assert.deepEqual(await partsOf(3, 'a', '', 'bcdefgh', 'i', 'jk'), ['abc', 'def', 'ghi', 'jk']);
    assert.deepEqual(await partsOf(3, 'abc', 'def'), ['abc', 'def']);
    assert.deepEqual(await partsOf(10, 'a', 'b'), ['ab']);
  });

  it('has no part for no bytes', async () => {
    assert.deepEqual(await partsOf(3), []);
    assert.deepEqual(await partsOf(3, ''), []);
  });
});

describe('forEachConcurrently', () => {
  const turn = (): Promise<void> => new Promise(setImmediate);

  it('handles every item, at most so many at a time', async () => {
    let running = 0;
    let most = 0;
    const seen: number[] = [];

    await forEachConcurrently(Array.from({ length: 25 }, (_, index) => index).values(), 4, async (item) => {
      running += 1;
      most = Math.max(most, running);
      await turn();
      running -= 1;
      seen.push(item);
    });

    assert.equal(most, 4);
    assert.equal(seen.length, 25);
  });

  it('rejects with the first failure, starts nothing more, and waits for what runs', async () => {
    const started: number[] = [];
    let finished = 0;

    await assert.rejects(
      forEachConcurrently([1, 2, 3, 4, 5, 6], 2, async (item) => {
        started.push(item);
        await turn();
        if (item === 2) throw new Error('item 2');
        finished += 1;
      }),
      /item 2/,
    );

    assert.ok(started.length < 6);
    assert.equal(finished, started.length - 1);
  });
});
